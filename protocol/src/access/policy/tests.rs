//! What a policy may say, and what it decides.

use super::*;

const SHOP: &str = r#"
version = 1
[roles]
member  = ["service.use"]
cashier = ["service.use"]
chief   = ["service.use"]
guard   = []

[[grant]]
to      = ["role:cashier", "role:chief", "entity:shop"]
service = ["stock@backoffice", "chat@*"]
limits  = { max_ticket = "30m", online_check = "require" }

[[grant]]
to      = ["node:till"]
service = ["backup@nas"]

[[grant]]
to      = ["role:guard", "entity:shop"]
service = ["door@gate"]

[[grant]]
to      = ["user:ana", "role:member"]
service = ["chat@till"]

[[grant]]
to      = ["guest"]
service = ["menu@*"]
"#;

fn shop() -> Policy {
    Policy::parse(SHOP, 3).unwrap()
}

fn ask(policy: &Policy, who: &str, service: &str) -> Result<String, Vec<String>> {
    let (service, provider) = service.split_once('@').unwrap();
    let (who, service, provider) =
        (who.parse().unwrap(), service.parse().unwrap(), provider.parse().unwrap());
    match policy.decide(&who, &service, &provider) {
        Some(rule) => Ok(rule.to_string()),
        None => Err(policy.missing(&who, &service, &provider)),
    }
}

/// R-T14: every kind that a grant names must fit, and of several of one kind any.
#[test]
fn a_grant_is_for_those_of_whom_all_is_said_that_it_names() {
    let policy = shop();
    for (who, service) in [
        ("role:cashier+entity:shop", "stock@backoffice"),
        ("role:chief+entity:shop", "stock@backoffice"),
        ("role:chief+role:guard+entity:shop", "chat@anything"),
        ("node:till", "backup@nas"),
        ("node:till+entity:bank", "backup@nas"),
        ("ana@till", "chat@till"),
        ("ana@nas", "chat@till"),
        ("guest", "menu@till"),
    ] {
        assert!(ask(&policy, who, service).is_ok(), "{who} {service}");
    }
    for (who, service) in [
        ("role:cashier", "stock@backoffice"),
        ("entity:shop", "stock@backoffice"),
        ("role:cashier+entity:bank", "stock@backoffice"),
        ("role:cashier+entity:shop", "stock@till"),
        ("role:cashier+entity:shop", "stock2@backoffice"),
        ("node:till-2", "backup@nas"),
        ("user:till", "backup@nas"),
        ("ana@till", "chat@nas"),
        ("user:ana%till", "chat@till"),
        ("node:till", "menu@till"),
        ("guest", "chat@till"),
    ] {
        assert!(ask(&policy, who, service).is_err(), "{who} {service}");
    }
}

/// R-T9: a refusal says what was missing; the privilege, where a role lacks it.
#[test]
fn a_refusal_says_what_is_missing() {
    let policy = shop();
    for (who, service, missing) in [
        ("entity:shop", "stock@backoffice", "role:cashier or role:chief"),
        ("node:nas", "stock@backoffice", "entity:shop, and role:cashier or role:chief"),
        ("role:guard+entity:shop", "door@gate", "service.use for role:guard"),
        ("node:nas", "backup@nas", "node:till"),
        ("node:nas", "backup@till", "service.use on backup@till, which no grant gives"),
    ] {
        assert_eq!(ask(&policy, who, service), Err(vec![missing.to_owned()]), "{who} {service}");
    }
}

/// The first grant in the file that allows it decides, with its limits.
#[test]
fn a_rule_is_named_with_its_line_and_has_its_limits() {
    let policy = shop();
    let who = "role:cashier+entity:shop+user:ana".parse().unwrap();
    let (service, provider) = ("chat".parse().unwrap(), "till".parse().unwrap());
    let rule = policy.decide(&who, &service, &provider).unwrap();
    assert_eq!(rule.to_string(), "grant 1 (line 9)");
    assert_eq!(rule.max_ticket(), Some(Duration::from_secs(1800)));
    assert_eq!(rule.online_check(), OnlineCheck::Require);
    assert_eq!(ask(&policy, "ana@till", "chat@till"), Ok("grant 4 (line 22)".to_owned()));
}

#[test]
fn the_starter_policy_grants_chat_and_files_and_nothing_else() {
    let policy = Policy::starter();
    assert_eq!((policy.text(), policy.epoch()), (STARTER, 0));
    for granted in ["chat@till", "file@nas"] {
        assert!(ask(&policy, "node:till", granted).is_ok(), "{granted}");
        assert!(ask(&policy, "guest", granted).is_err(), "{granted}");
    }
    for denied in ["backup@nas", "files@nas", "chat-2@nas", "shell@nas"] {
        assert!(ask(&policy, "node:till", denied).is_err(), "{denied}");
    }
    assert!(ask(&Policy::nothing(), "node:till", "chat@till").is_err());
}

/// What a file must not say is refused with its line, and with what may stand there.
#[test]
fn a_mistake_is_refused_with_its_line_and_what_is_allowed() {
    let grant = |grant: &str| format!("version = 1\n[roles]\nmember = [\"service.use\"]\n[[grant]]\n{grant}");
    let good = "to = [\"role:member\"]\nservice = [\"chat@*\"]\n";
    assert!(Policy::parse(&grant(good), 1).is_ok());
    let to = |who: &str| grant(&format!("service = [\"chat@*\"]\nto = [\"node:till\",\n \"{who}\"]\n"));
    for (text, line, what) in [
        (String::new(), 1, "missing field `version`"),
        ("version = 2\n".to_owned(), 1, "this node reads 1"),
        ("version = 1\nversions = 2\n".to_owned(), 2, "expected one of `version`, `roles`, `grant`, `tests`"),
        ("version = 1\n[roles\n".to_owned(), 2, "]"),
        ("version = 1\n[roles]\nchief = [\"service.own\"]\n".to_owned(), 3, "expected one of `service.use`"),
        ("version = 1\n[roles]\nChief = []\n".to_owned(), 3, "a-z, 0-9"),
        (grant(&format!("{good}until = 3\n")), 7, "expected one of `to`, `service`, `limits`"),
        (grant(&format!("{good}limits = {{ max = 3 }}\n")), 7, "`max_ticket`"),
        (grant(&format!("{good}limits = {{ max_ticket = \"9h\" }}\n")), 7, "use 1m to 8h"),
        (grant(&format!("{good}limits = {{ max_ticket = \"é\" }}\n")), 7, "use 1m to 8h"),
        (grant(&format!("{good}limits = {{ online_check = \"now\" }}\n")), 7, "`require`"),
        (grant("service = [\"chat@*\"]\n"), 4, "missing field `to`"),
        (grant("to = []\nservice = [\"chat@*\"]\n"), 4, "1 to 64"),
        (to("till"), 7, "use user:NAME, role:NAME"),
        (to("person:ana"), 7, "use user:NAME"),
        (to("role:chief"), 4, "role:chief is not in [roles], which has: member"),
        (grant("to = [\"node:till\"]\nservice = [\"chat\"]\n"), 6, "NAME@*"),
        (grant("to = [\"node:till\"]\nservice = [\"*@till\"]\n"), 6, "NAME@*"),
        (format!("{}[[tests]]\nwho = \"till\"\n", grant(good)), 8, "use user:NAME"),
        (format!("{}[[tests]]\nwho = \"role:chef\"\n", grant(good)), 7, "role:chef is not in [roles]"),
        (format!("{}[[tests]]\nwho = \"node:a\"\nallow = [\"chat@*\"]\n", grant(good)), 9, "node name"),
    ] {
        let error = Policy::parse(&text, 1).unwrap_err();
        let PolicyError::Line { line: at, what: said } = &error else { panic!("{error}") };
        assert!(
            *at == line && said.contains(what),
            "{error} where line {line} and {what:?} are right:\n{text}"
        );
    }
}

/// D4: a policy has bounds.
#[test]
fn a_policy_that_is_too_large_is_refused() {
    let comment = "#".repeat(FILE_MAX - 11);
    let text = format!("version = 1{comment}");
    assert_eq!(text.len(), FILE_MAX);
    assert!(Policy::parse(&text, 1).is_ok());
    assert_eq!(Policy::parse(&format!("{text}#"), 1).unwrap_err(), PolicyError::TooLong(FILE_MAX + 1));
    let grants = |number: usize| {
        format!("version=1\n{}", "[[grant]]\nto=['node:a']\nservice=['a@*']\n".repeat(number))
    };
    assert!(Policy::parse(&grants(GRANTS_MAX), 1).is_ok());
    let error = Policy::parse(&grants(GRANTS_MAX + 1), 1).unwrap_err().to_string();
    assert!(error.contains("1025 grants; at most 1024"), "{error}");
}

/// R-T14: the tests in a policy are of what it decides.
#[test]
fn the_tests_in_a_policy_find_what_it_gets_wrong() {
    let tests = "\n[[tests]]\nwho = \"ana@till\"\nallow = [\"chat@till\", \"chat@nas\"]\ndeny = [\"stock@backoffice\", \"backup@nas\"]\n";
    let policy = Policy::parse(&format!("{SHOP}{tests}"), 1).unwrap();
    assert_eq!(policy.tests(), 4);
    let failed: Vec<String> = policy.failed_tests().iter().map(ToString::to_string).collect();
    assert_eq!(
        failed,
        [
            "line 30: user:ana+node:till+role:member must be able to use chat@nas, and no grant allows it",
            "line 30: user:ana+node:till+role:member must not use backup@nas, and grant 2 (line 14) allows it",
        ]
    );
    assert!(shop().failed_tests().is_empty());
}

/// The index finds what a walk over all grants would find.
#[test]
fn the_index_decides_as_a_walk_over_all_grants() {
    let policy = shop();
    let whos =
        ["node:till", "ana@till", "guest", "role:guard+entity:shop", "role:cashier+entity:shop+user:ana"];
    for who in whos {
        let subject: Subject = who.parse().unwrap();
        for service in ["stock", "chat", "backup", "door", "menu"] {
            for provider in ["till", "nas", "gate", "backoffice"] {
                let walked = policy.rules.file.grants.iter().position(|grant| {
                    let named = grant.get_ref().service.iter().any(|pattern| {
                        pattern.service.as_str() == service
                            && pattern.provider.as_ref().is_none_or(|one| one.as_str() == provider)
                    });
                    named && policy.fits(grant.get_ref(), &subject)
                });
                let (service, provider) = (service.parse().unwrap(), provider.parse().unwrap());
                let found = policy.decide(&subject, &service, &provider).map(|rule| rule.number);
                assert_eq!(found, walked, "{who} {service}@{provider}");
            }
        }
    }
}
