//! `login`, `logout`, `whoami`, `user` and `role`: the people at this node and in the network.

use lanyard_protocol::access::{Policy, Privilege};
use lanyard_protocol::control::{
    ChangeUser, Code, LogIn, PolicyShown, Time, UserChange, UserChanged, Users, WhoAmI,
};
use lanyard_protocol::identity::{PersonName, UserName};
use serde_json::json;

use super::Context;
use crate::args::{Login, PersonOf, Role, User, UserPassword};
use crate::error::{Error, Result};
use crate::input;

/// `lanyard login`
pub(super) async fn login(context: &Context, login: Login) -> Result {
    let client = context.client();
    // Nobody types a password for a node that is not there.
    let _: WhoAmI = client.get("/v1/whoami").await?;
    let Login { user, person, password_file } = login;
    let whose = format!("the password of {user}");
    let password = input::password(&context.printer, password_file.as_deref(), &whose, false).await?;
    let shown: WhoAmI = client.post("/v1/login", &LogIn { user, person, password }).await?;
    if context.printer.is_json() {
        return context.printer.json(&shown);
    }
    let until = shown.expires.map(|Time(until)| format!(", until {until}")).unwrap_or_default();
    context.printer.say(&format!("logged in as {}{until}", described(&shown)));
    Ok(())
}

/// `lanyard logout`
pub(super) async fn logout(context: &Context) -> Result {
    let client = context.client();
    let before: WhoAmI = client.get("/v1/whoami").await?;
    let after: WhoAmI = client.post("/v1/logout", &json!({})).await?;
    if context.printer.is_json() {
        return context.printer.json(&after);
    }
    match before.expires {
        Some(_) => context.printer.say(&format!("{} is logged out", described(&before))),
        None => context.printer.say("nobody was logged in here"),
    }
    Ok(())
}

/// `lanyard whoami`
pub(super) async fn whoami(context: &Context) -> Result {
    let shown: WhoAmI = context.client().get("/v1/whoami").await?;
    if context.printer.is_json() {
        return context.printer.json(&shown);
    }
    let Some(user) = &shown.user else {
        return Err(Error::new(Code::Denied, "nobody is logged in here", "log in: `lanyard login USER`"));
    };
    context.printer.line(user)?;
    if let Some(Time(until)) = shown.expires {
        let person = shown.person.as_ref().map(PersonName::as_str).filter(|person| person != user);
        let who = person.map(|person| format!("{person}, ")).unwrap_or_default();
        context.printer.say(&format!("{who}{}logged in until {until}", roles_of(&shown)));
    }
    Ok(())
}

fn described(shown: &WhoAmI) -> String {
    let user = shown.user.as_deref().unwrap_or("nobody");
    let name = user.split('%').next().unwrap_or_default();
    match &shown.person {
        Some(person) if person.as_str() != name => format!("{user} ({person})"),
        _ => user.to_owned(),
    }
}

fn roles_of(shown: &WhoAmI) -> String {
    let roles: Vec<&str> = shown.roles.iter().map(lanyard_protocol::identity::UserRole::as_str).collect();
    if roles.is_empty() { String::new() } else { format!("{}; ", roles.join(", ")) }
}

/// `lanyard user`
pub(super) async fn user(context: &Context, user: User) -> Result {
    match user {
        User::List { local } => list(context, local).await,
        User::Add { user, roles, person, local, password } => {
            let UserPassword { password_file, weak } = password;
            let whose = person.clone().unwrap_or_else(|| user.clone().into());
            let password = new_password(context, &user, &whose, password_file.as_deref()).await?;
            let roles = roles.into_iter().collect();
            let change = UserChange::Add { roles, person, password, weak };
            let said = format!("{} is a user now", named(context, &user, local).await);
            self::change(context, (user, local), change, &said).await
        }
        User::Remove { user, local } => {
            let said = format!("{user} is a user no more, and its log-ins end");
            change(context, (user, local), UserChange::Remove, &said).await
        }
        User::Passwd { user, person, local, password } => {
            let whose = person.clone().unwrap_or_else(|| user.clone().into());
            set_password(context, (user, local), (whose, false), password).await
        }
        User::Credential(PersonOf::Add { user, person, local, password }) => {
            set_password(context, (user, local), (person, true), password).await
        }
        User::Credential(PersonOf::Remove { user, person, local }) => {
            let said = format!("{person} uses {user} no more");
            change(context, (user, local), UserChange::RemovePerson { person }, &said).await
        }
    }
}

/// The user as policy calls it.
async fn named(context: &Context, user: &UserName, local: bool) -> String {
    if !local {
        return user.to_string();
    }
    let status: Result<lanyard_protocol::control::Status> = context.client().get("/v1/status").await;
    let node = status.ok().and_then(|status| status.name);
    node.map_or_else(|| user.to_string(), |node| format!("{user}%{node}"))
}

async fn set_password(
    context: &Context,
    (user, local): (UserName, bool),
    (person, new): (PersonName, bool),
    password: UserPassword,
) -> Result {
    let UserPassword { password_file, weak } = password;
    let password = new_password(context, &user, &person, password_file.as_deref()).await?;
    let said = if new {
        format!("{person} may use {user}: `lanyard login {user} --person {person}`")
    } else {
        format!("the password of {} is another one now; log-ins with the old one end", whose(&user, &person))
    };
    let change = UserChange::SetPassword { person: Some(person), password, new, weak };
    self::change(context, (user, local), change, &said).await
}

fn whose(user: &UserName, person: &PersonName) -> String {
    if user.as_str() == person.as_str() { user.to_string() } else { format!("{person} as {user}") }
}

async fn new_password(
    context: &Context,
    user: &UserName,
    person: &PersonName,
    file: Option<&std::path::Path>,
) -> Result<lanyard_protocol::control::Password> {
    // Nobody types a password for a node that is not there.
    let _: WhoAmI = context.client().get("/v1/whoami").await?;
    let whose = format!("the new password of {}", whose(user, person));
    input::password(&context.printer, file, &whose, true).await
}

async fn change(
    context: &Context,
    (user, local): (UserName, bool),
    change: UserChange,
    said: &str,
) -> Result {
    let changed: UserChanged =
        context.client().post("/v1/users", &ChangeUser { user, local, change }).await?;
    if context.printer.is_json() {
        return context.printer.json(&changed);
    }
    context.printer.say(said);
    Ok(())
}

async fn list(context: &Context, local: bool) -> Result {
    let Users { users } = context.client().get(&format!("/v1/users?local={local}")).await?;
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&users);
    }
    let joined = |names: Vec<&str>| names.join(", ");
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|row| {
            let roles = row.roles.iter().map(lanyard_protocol::identity::UserRole::as_str).collect();
            let persons = row.persons.iter().map(PersonName::as_str).collect();
            vec![row.user.to_string(), joined(roles), joined(persons)]
        })
        .collect();
    printer.table(&["USER", "ROLES", "PEOPLE"], &rows)
}

/// `lanyard role`
pub(super) async fn role(context: &Context, role: Role) -> Result {
    match role {
        Role::List { privileges: true } => list_privileges(context),
        Role::List { privileges: false } => list_roles(context).await,
        Role::Grant { user, role } => {
            let said = format!("{user} has the role {role}: log-ins are renewed where they are");
            change(context, (user, false), UserChange::SetRole { role, given: true }, &said).await
        }
        Role::Revoke { user, role } => {
            let said = format!("{user} has the role {role} no more, and what was open by it ends");
            change(context, (user, false), UserChange::SetRole { role, given: false }, &said).await
        }
    }
}

fn list_privileges(context: &Context) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json(&Privilege::ALL);
    }
    let row = |privilege: Privilege| vec![privilege.to_string(), privilege.meaning().to_owned()];
    printer.table(&["PRIVILEGE", "TO"], &Privilege::ALL.map(row))
}

async fn list_roles(context: &Context) -> Result {
    let PolicyShown { text, .. } = context.client().get("/v1/policy").await?;
    let policy = Policy::parse(&text, 0)
        .map_err(|error| Error::new(Code::Data, error.to_string(), "see `lanyard policy show`"))?;
    let printer = &context.printer;
    if printer.is_json() {
        let roles: std::collections::BTreeMap<_, _> = policy.roles().collect();
        return printer.json(&roles);
    }
    let rows: Vec<Vec<String>> = policy
        .roles()
        .map(|(role, privileges)| {
            let privileges: Vec<String> = privileges.iter().map(ToString::to_string).collect();
            vec![role.to_string(), privileges.join(", ")]
        })
        .collect();
    printer.table(&["ROLE", "PRIVILEGES"], &rows)
}
