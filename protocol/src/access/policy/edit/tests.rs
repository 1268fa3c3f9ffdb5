use super::*;

const SHOP: &str = r#"# The shop's policy.
version = 1

[roles]
member  = ["service.use"]   # everyone
cashier = ["service.use"]
guard   = []

# The tills.
[[grant]]
to      = ["role:cashier", "node:till"] # both
service = ["stock@office", "backup@nas"]
limits  = { max_ticket = "30m" }

[[grant]]
to      = [
    "user:ana",   # from the first day
    "user:bob",   # since May
    "user:cyd"    # last
]
service = ["chat@*"]

[[grant]]
to      = ["user:ana", "node:till"]
service = ["door@gate", "menu@*"]

# They must stay so.
[[tests]]
who  = "user:bob"
deny = ["door@gate"]
"#;

fn shop() -> Policy {
    Policy::parse(SHOP, 3).unwrap()
}

fn edit(policy: &Policy, what: &str, who: &str, service: &str) -> Result<Edit, EditError> {
    let (who, service) = (who.parse().unwrap(), service.parse().unwrap());
    if what == "allow" { policy.allow(&who, &service) } else { policy.forbid(&who, &service) }
}

/// The text that an edit makes.
fn changed(policy: &Policy, what: &str, who: &str, service: &str) -> String {
    match edit(policy, what, who, service) {
        Ok(Edit::Changed(text)) => text,
        other => panic!("{what} {who} {service}: {other:?}"),
    }
}

/// The lines of `old` that are not in `new`, and those of `new` that are not in `old`.
fn difference<'a>(old: &'a str, new: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let without = |some: &'a str, other: &str| {
        let mut others: Vec<&str> = other.lines().collect();
        let gone = some.lines().filter(|line| match others.iter().position(|one| one == line) {
            Some(place) => {
                let _ = others.remove(place);
                false
            }
            None => true,
        });
        gone.collect()
    };
    (without(old, new), without(new, old))
}

fn allows(text: &str, who: &str, service: &str) -> bool {
    let policy = Policy::parse(text, 1).unwrap();
    let (service, provider) = service.split_once('@').unwrap();
    policy.decide(&who.parse().unwrap(), &service.parse().unwrap(), &provider.parse().unwrap()).is_some()
}

/// R-T14: one grant is added behind the others, and everything else stays as it was written.
#[test]
fn a_grant_is_added_and_nothing_else_is_touched() {
    for (who, to) in [
        ("user:dora", "\"user:dora\""),
        ("role:cashier", "\"role:cashier\""),
        ("dora@till", "\"user:dora\", \"node:till\""),
        ("entity:shop", "\"entity:shop\""),
        ("guest", "\"guest\""),
        ("role:member", "\"role:member\""),
    ] {
        let text = changed(&shop(), "allow", who, "help@desk");
        let (gone, mut new) = difference(SHOP, &text);
        new.retain(|line| !line.is_empty());
        let service = "service = [\"help@desk\"]";
        assert_eq!((gone, new), (vec![], vec!["[[grant]]", &format!("to      = [{to}]"), service]), "{who}");
        assert!(allows(&text, who, "help@desk"), "{who}");
        let before_tests = text.find("[\"help@desk\"]").unwrap() < text.find("# They must stay so.").unwrap();
        assert!(before_tests, "it stands with the other grants:\n{text}");
    }
    let text = changed(&Policy::parse("version = 1", 0).unwrap(), "allow", "node:till", "help@*");
    assert_eq!(text, "version = 1\n\n[[grant]]\nto      = [\"node:till\"]\nservice = [\"help@*\"]\n");
}

/// R-T14: what is allowed already is not granted again; the rule is named.
#[test]
fn what_is_allowed_already_names_its_rule() {
    for (who, service, rule) in [
        ("user:bob", "chat@*", "grant 2 (line 15)"),
        ("user:bob", "chat@till", "grant 2 (line 15)"),
        ("ana@till", "door@gate", "grant 3 (line 23)"),
    ] {
        assert_eq!(
            edit(&shop(), "allow", who, service),
            Ok(Edit::Allowed(rule.to_owned())),
            "{who} {service}"
        );
    }
    // One provider is less than all of them.
    let text = changed(&shop(), "allow", "role:cashier+node:till", "stock@*");
    assert!(allows(&text, "role:cashier+node:till", "stock@nas"));
}

/// R-T14: a grant that would allow nothing, or to nobody, is refused.
#[test]
fn a_grant_that_would_be_in_vain_is_refused() {
    let useless = EditError::Useless { who: "role:guard".into(), privilege: "service.use".into() };
    assert_eq!(edit(&shop(), "allow", "role:guard", "door@gate"), Err(useless));
    let unknown = edit(&shop(), "allow", "role:chief", "door@gate").unwrap_err();
    assert!(unknown.to_string().contains("role:chief is not in [roles]"), "{unknown}");
}

/// R-T14: what names them is taken away: a line, an entry of a list, or a grant of its own for what is left.
#[test]
fn what_grants_it_is_taken_away_and_nothing_else() {
    let text = changed(&shop(), "forbid", "user:bob", "chat@*");
    let (gone, new) = difference(SHOP, &text);
    assert_eq!(gone, ["    \"user:bob\",   # since May"]);
    assert_eq!(new, ["    # since May"]);
    assert!(!allows(&text, "user:bob", "chat@x") && allows(&text, "user:cyd", "chat@x"), "{text}");

    let text = changed(&shop(), "forbid", "user:cyd", "chat@*");
    assert!(!allows(&text, "user:cyd", "chat@x") && allows(&text, "user:bob", "chat@x"), "{text}");
    assert!(text.contains("# last"), "{text}");

    // Of a grant to two kinds both are meant.
    let text = changed(&shop(), "forbid", "ana@till", "door@gate");
    assert_eq!(difference(SHOP, &text).1, ["service = [\"menu@*\"]"]);
    assert!(!allows(&text, "ana@till", "door@gate") && allows(&text, "ana@till", "menu@x"), "{text}");

    // All that a grant is for.
    let policy = Policy::parse(&text, 3).unwrap();
    let text = changed(&policy, "forbid", "ana@till", "menu@*");
    assert_eq!(text.matches("[[grant]]").count(), 2, "{text}");
    assert!(text.contains("]\nservice = [\"chat@*\"]\n\n# They must stay so.\n"), "{text}");

    // A grant that asks for more than what is meant names them too.
    let text = changed(&shop(), "forbid", "role:cashier", "stock@office");
    assert!(!allows(&text, "role:cashier+node:till", "stock@office"));
    assert!(allows(&text, "role:cashier+node:till", "backup@nas"), "{text}");
    assert!(text.contains("limits  = { max_ticket = \"30m\" }") && text.contains("# both"), "{text}");

    // Several of one kind and several services: the rest is granted by itself, within the same limits.
    let both = SHOP.replace("\"role:cashier\", \"node:till\"", "\"role:cashier\", \"role:guard\"");
    let policy = Policy::parse(&both, 3).unwrap();
    let text = changed(&policy, "forbid", "role:cashier", "stock@office");
    let rest = "[[grant]]\nto      = [\"role:cashier\"]\nservice = [\"backup@nas\"]\nlimits  = { max_ticket = \"30m\" }\n";
    assert!(text.contains(rest), "{text}");
    assert_eq!(edit(&shop(), "forbid", "user:dora", "chat@*"), Ok(Edit::NotGranted));
    assert_eq!(edit(&shop(), "forbid", "user:bob", "stock@*"), Ok(Edit::NotGranted));
}

/// R-T14: a grant to more people, or for more services, is named with its line, and nothing is changed.
#[test]
fn a_broader_grant_is_named_and_left_alone() {
    for (who, service, rules) in [
        // Ana everywhere is more than Ana at the till, and every provider is more than one.
        ("ana@till", "chat@*", vec!["grant 2 (line 15)"]),
        ("user:bob", "chat@till", vec!["grant 2 (line 15)"]),
        ("ana@till", "menu@office", vec!["grant 3 (line 23)"]),
    ] {
        let rules = rules.into_iter().map(str::to_owned).collect();
        assert_eq!(edit(&shop(), "forbid", who, service), Err(EditError::Broader(rules)), "{who} {service}");
    }
    let starter = Policy::starter();
    let refused = edit(&starter, "forbid", "node:till", "chat@*").unwrap_err();
    assert_eq!(refused.to_string(), "grant 1 (line 7) allows it to others too, or more than that");
    let member = "version = 1\n[roles]\nmember=['service.use']\ncook=['service.use']\n[[grant]]\nto=['role:cook','role:member']\nservice=['a@b']\n";
    let refused = edit(&Policy::parse(member, 1).unwrap(), "forbid", "role:cook", "a@b");
    assert!(matches!(refused, Err(EditError::Broader(_))), "a cook is a member, too: {refused:?}");
    let two = "version = 1\n[[grant]]\nto=['user:ana','user:bob','node:till','node:nas']\nservice=['a@b']\n";
    let refused = edit(&Policy::parse(two, 1).unwrap(), "forbid", "ana@till", "a@b");
    assert!(matches!(refused, Err(EditError::Broader(_))), "ana@nas and bob@till would lose it: {refused:?}");
}

/// R-T14: a text that is written in another way than one grant after the other is not spoilt.
#[test]
fn what_cannot_be_taken_apart_is_left_alone() {
    let inline = "version = 1\ngrant = [{ to = ['user:ana'], service = ['a@b'] }, { to = ['guest'], service = ['a@b'] }]\n";
    let policy = Policy::parse(inline, 1).unwrap();
    assert!(edit(&policy, "allow", "user:bob", "a@b").is_err());
    assert!(edit(&policy, "forbid", "user:ana", "a@b").is_err());
    let table =
        "version = 1\n[[grant]]\nto=['user:ana']\nservice=['a@b','c@d']\n[grant.limits]\nmax_ticket='1h'\n";
    let policy = Policy::parse(table, 1).unwrap();
    for edit in [edit(&policy, "forbid", "user:ana", "a@b"), edit(&policy, "allow", "user:bob", "a@b")] {
        if let Ok(Edit::Changed(text)) = edit {
            let limit = |text: &str| Policy::parse(text, 1).unwrap().grants().next().unwrap().limits;
            assert_eq!(limit(&text), limit(table), "{text}");
        }
    }
}

/// R-T14: there and back again is where it began, and what one edit allows the other forbids, for everybody.
#[test]
fn forbidding_what_was_allowed_gives_the_text_back() {
    for who in ["user:dora", "role:cashier", "dora@till", "node:x", "account:a1", "guest"] {
        for service in ["help@desk", "help@*", "chat@office"] {
            let text = changed(&shop(), "allow", who, service);
            let back = changed(&Policy::parse(&text, 4).unwrap(), "forbid", who, service);
            assert_eq!(
                back.trim_end(),
                SHOP.replace("\n\n# They", "\n\n\n# They").replace("\n\n\n", "\n\n").trim_end()
            );
        }
    }
}

/// R-T14: a bare name is everyone of that name.
#[test]
fn finds_everyone_of_a_name() {
    let names = |name: &str| shop().named(name).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names("ana"), ["user:ana"]);
    assert_eq!(names("guard"), ["role:guard"]);
    assert!(names("nobody").is_empty());
    let both = Policy::parse(&SHOP.replace("node:till", "node:cashier"), 1).unwrap();
    assert_eq!(both.named("cashier").len(), 2);
}
