//! Certificates are renewed while a channel is open.

use core::time::Duration;
use std::collections::BTreeSet;

use lanyard_node::{Config, Node};
use lanyard_protocol::control::{Answer, Command};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::{config, init, invite, join, owner};

/// R-L3: certificates of a minute, the authority's own included, are renewed twice while data goes to and fro on one
/// channel, which is not cut by it; and a new one is opened with what came.
#[tokio::test]
async fn a_channel_outlives_two_renewals() {
    let (office_state, till_state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let minute = Duration::from_secs(60);
    let short = Config { certificate_life: Some(minute), ..config(office_state.path()) };
    let office = Node::start(short).await.unwrap();
    let till = Node::start(config(till_state.path())).await.unwrap();
    office.handle().listening().await.unwrap();
    init(&office).await;
    owner(&till, join(invite(&office).await.uri, "till")).await;
    office.serve("chat".parse().unwrap(), |session| async move {
        let (mut from, mut to) = tokio::io::split(session.channel);
        let _ = tokio::io::copy(&mut from, &mut to).await;
        to.shutdown().await.unwrap();
    });

    let mut channel = till.open(&"chat@office".parse().unwrap()).await.unwrap().channel;
    let mut serials = [BTreeSet::new(), BTreeSet::new()];
    let renewed_twice = async {
        let mut sent = 0_u64;
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        while serials.iter().any(|serials| serials.len() < 3) {
            pace.tick().await;
            channel.write_all(&sent.to_le_bytes()).await.unwrap();
            channel.flush().await.unwrap();
            let mut back = [0; 8];
            channel.read_exact(&mut back).await.unwrap();
            assert_eq!(u64::from_le_bytes(back), sent);
            sent += 1;
            if sent.is_multiple_of(50) {
                for (node, serials) in [&office, &till].into_iter().zip(&mut serials) {
                    serials.insert(serial(node).await);
                }
            }
        }
    };
    timeout(minute + Duration::from_secs(30), renewed_twice).await.unwrap();
    channel.shutdown().await.unwrap();
    assert_eq!(channel.read(&mut [0; 8]).await.unwrap(), 0, "the channel ends as channels do");
    let _ = till.open(&"chat@office".parse().unwrap()).await.unwrap();
    office.stop().await;
    till.stop().await;
}

async fn serial(node: &Node) -> String {
    let Answer::Certificates(shown) = owner(node, Command::Certificates).await else {
        panic!("expected certificates")
    };
    shown.serial
}
