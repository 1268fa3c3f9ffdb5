//! Files that are sealed on one host and opened on another, which need not be connected for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lanyard_tests::{Host, Member, Output, Process, SOON, noise};
use serde_json::json;

/// The content of a full chunk, and what is around it: its head, its tag and its signature.
const CHUNK: usize = 64 << 10;
const OVERHEAD: usize = 4 + 16 + 64;

/// Alice's network with bob and carol in it, who have met alice and whose nodes have stopped: no host listens
/// anywhere any more.
fn offline() -> [Host; 3] {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    for member in [&bob, &carol] {
        alice.meets(&member.host);
    }
    [bob, carol, alice].map(|member| {
        let _ = member.node.stop();
        member.host
    })
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Seals `content` on `host` to `peers`.
fn sealed(host: &Host, peers: &[&str], content: &[u8]) -> Vec<u8> {
    let file = host.write("content", content);
    let arguments = [&["seal"], peers, &[text(&file)]].concat();
    host.run(arguments).ok().stdout_bytes().to_vec()
}

/// Opens `bytes` on `host`, from standard input to standard output.
fn open(host: &Host, bytes: &[u8]) -> Output {
    Process::run(host.command(["open"]), bytes, SOON * 2)
}

/// Where a sealed file's first chunk begins.
fn header_len(file: &[u8]) -> usize {
    20 + u32::from_le_bytes(file[16..20].try_into().unwrap()) as usize
}

/// R-L6: without a node and without a network, a file goes to whom it is for, who learns whom it is from.
#[test]
fn sealed_file_is_opened_offline() {
    let [bob, carol, alice] = offline();
    let content = noise(1, 3 * CHUNK + 1);
    let file = sealed(&alice, &["bob"], &content);
    assert_eq!(file.len(), header_len(&file) + content.len() + 4 * OVERHEAD);
    assert!(!file.windows(16).any(|window| window == &content[..16]), "it is encrypted");

    let opened = open(&bob, &file).ok().says("sealed by alice").says("authority of shop.lan");
    assert!(opened.stdout_bytes() == content, "what comes out is what went in");
    let refused = open(&carol, &file).fails(7).says("not sealed to this node");
    assert!(refused.stdout_bytes().is_empty(), "and nothing of it");
    let _ = open(&alice, &file).fails(7).says("not sealed to this node");

    let both = sealed(&alice, &["bob", "carol", "alice"], b"for all");
    for host in [&bob, &carol, &alice] {
        assert_eq!(open(host, &both).ok().stdout(), "for all");
    }
    let empty = sealed(&bob, &["alice"], b"");
    assert_eq!(open(&alice, &empty).ok().says("sealed by bob").stdout(), "");
    let _ = bob.run(["seal", "carol", text(&bob.write("x", b"x"))]).fails(6).says("lanyard ping carol");
}

/// R-L6: while nodes run, they do the same for whoever asks them, and find whom they have never met.
#[test]
fn sealed_file_passes_between_running_nodes() {
    let alice = Member::authority("alice");
    let [bob, carol] = ["bob", "carol"].map(|name| alice.admit(name));
    assert!(bob.peer("carol").is_none(), "they have not met");
    let file = sealed(&bob.host, &["carol"], b"takings");
    let opened = open(&carol.host, &file).ok().says("sealed by bob").says("member of shop.lan");
    assert_eq!(opened.stdout(), "takings");
    let _ = open(&alice.host, &file).fails(7).says("not sealed to this node");
    let _ = bob.host.run(["seal", "dave", text(&bob.host.write("x", b"x"))]).fails(6);

    let path = carol.host.write("takings.sealed", &file);
    let into = carol.host.path("takings");
    let facts = carol.host.run(["open", text(&path), "-o", text(&into), "--json"]).ok().json();
    assert_eq!(
        [&facts["name"], &facts["role"], &facts["expired"]],
        [&json!("bob"), &json!("member"), &json!(false)]
    );
    assert_eq!(facts.as_object().unwrap().keys().find(|field| *field == "key"), None, "no key is printed");
}

/// R-L6, H2: an opened file is its user's alone, is there whole or not at all, and replaces nothing unasked.
#[test]
fn opened_file_is_whole_and_replaces_nothing() {
    let [bob, _, alice] = offline();
    let file = sealed(&alice, &["bob"], &noise(2, 2 * CHUNK));
    let good = bob.write("good.sealed", &file);
    let cut = bob.write("cut.sealed", &file[..file.len() - 1]);
    let folder = bob.path("folder");
    fs::create_dir(&folder).unwrap();
    let into: PathBuf = folder.join("into");
    let names = || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();

    let _ = bob.run(["open", text(&cut), "-o", text(&into)]).fails(7).says("the end is missing");
    assert!(names().is_empty(), "{:?}", names());
    let _ = bob.run(["open", text(&good), "-o", text(&into)]).ok();
    assert_eq!(fs::read(&into).unwrap(), noise(2, 2 * CHUNK));
    assert_eq!(fs::metadata(&into).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&into, "mine").unwrap();
    let _ = bob.run(["open", text(&good), "-o", text(&into)]).fails(1).says("there is a file");
    let _ = bob.run(["open", text(&cut), "-o", text(&into), "--force"]).fails(7);
    assert_eq!(fs::read_to_string(&into).unwrap(), "mine");
    let _ = bob.run(["open", text(&good), "-o", text(&into), "--force"]).ok();
    assert_eq!(names().len(), 1, "{:?}", names());
}

/// C11, D2, D3: whatever is done to a sealed file at the borders of its chunks is found, and what was written until
/// then is the beginning of what was sealed.
#[test]
fn altered_sealed_file_is_refused() {
    let [bob, _, alice] = offline();
    let content = noise(3, 2 * CHUNK + 100);
    let file = sealed(&alice, &["bob"], &content);
    let other = sealed(&alice, &["bob"], &noise(4, 2 * CHUNK + 100));
    let start = header_len(&file);
    assert_eq!(start, header_len(&other));
    let border = |number: usize| start + number * (CHUNK + OVERHEAD);
    let refused = |what: &str, bytes: &[u8], verified: usize| {
        let output = open(&bob, bytes).fails(7);
        assert!(output.stdout_bytes() == &content[..verified], "{what}: {output}");
    };
    for number in 0..3 {
        let verified = number * CHUNK;
        let before = number.saturating_sub(1) * CHUNK;
        refused("cut at a border", &file[..border(number)], verified);
        refused("cut behind a border", &file[..=border(number)], verified);
        if number > 0 {
            refused("cut before a border", &file[..border(number) - 1], before);
        }
        for place in [border(number), border(number) + 4, (border(number) + 4 + 100)] {
            let mut flipped = file.clone();
            flipped[place] ^= 1;
            refused("flipped", &flipped, verified);
        }
    }
    let chunk = |number: usize| &file[border(number)..file.len().min(border(number + 1))];
    refused("swapped", &[&file[..start], chunk(1), chunk(0), chunk(2)].concat(), 0);
    refused("dropped", &[&file[..border(1)], chunk(2)].concat(), CHUNK);
    refused("repeated", &[&file[..border(1)], chunk(0), chunk(1), chunk(2)].concat(), CHUNK);
    refused("followed", &[file.as_slice(), b"x"].concat(), content.len());
    refused("another header", &[&other[..start], &file[start..]].concat(), 0);
    refused("no header", &file[start..], 0);
    refused("a cut header", &file[..start - 1], 0);
    refused("nothing", b"", 0);
    for place in (0..start).step_by(41) {
        let mut flipped = file.clone();
        flipped[place] ^= 1;
        refused("flipped header", &flipped, 0);
    }
}

/// B3: a node of another network of the same name neither opens what is sealed here nor seals for here.
#[test]
fn sealed_file_of_another_network_is_refused() {
    let [bob, _, alice] = offline();
    let file = sealed(&alice, &["bob"], b"takings");
    let mallory = Host::new("alice");
    let _ = mallory.run(["init", "shop.lan", "--name", "alice"]).ok();
    let _ = open(&mallory, &file).fails(7).says("sealed in the network");
    let _ = open(&bob, &sealed(&mallory, &["alice"], b"takings")).fails(7).says("sealed in the network");
    let stranger = Host::new("eve");
    let _ = open(&stranger, &file).fails(4);
    assert!(!stranger.state().exists(), "a look makes no node");
}
