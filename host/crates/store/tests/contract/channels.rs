//! Notification channels: who sees them, what they keep secret, and which rules tell them.

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use serde_json::json;
use vedette_core::{AlertRuleId, ChannelId, OrgId};
use vedette_store::{
    AuditFilter, ChainId, Channel, ChannelChange, CreatedChannel, MAX_CHANNELS, NewChannel,
    Rotated, SetChannels, Store, StoreError, UpdatedChannel, VariableLevel, both_databases,
    testing,
};

use crate::{
    Owner, PAGE, by_hand, clock, count, on_each,
    outbox::rule,
    owner, script, start,
    variables::{keep, secret},
};

both_databases!(
    a_channel_is_kept_read_changed_and_deleted,
    a_name_is_there_once_an_organization,
    an_organization_has_so_many_channels,
    secrets_open_for_deliveries_only,
    rules_tell_channels_of_their_organization,
    keys_change_and_secrets_stay,
);

const CANARY: &str = "canary-5d1e07";

pub(crate) fn new_channel(owner: &Owner, name: &str) -> NewChannel {
    NewChannel {
        id: ChannelId::generate(&clock()),
        org_id: owner.org,
        owner_id: owner.user,
        name: name.to_owned(),
        kind: "webhook".to_owned(),
        config: json!({ "url": "https://example.com/hook" }),
        secret: format!(r#"{{"secret":"{CANARY} {name}"}}"#).into(),
        is_enabled: true,
        created_at: start(),
    }
}

pub(crate) async fn channel(store: &Store, owner: &Owner, name: &str) -> Channel {
    match store
        .create_channel(new_channel(owner, name))
        .await
        .unwrap()
    {
        CreatedChannel::Done(channel) => channel,
        CreatedChannel::TooMany => panic!("{name}: too many"),
    }
}

pub(crate) fn as_it_is(channel: &Channel) -> ChannelChange {
    ChannelChange {
        name: channel.name.clone(),
        config: channel.config.clone(),
        secret: None,
        is_enabled: channel.is_enabled,
        changed_at: start() + TimeDelta::seconds(1),
    }
}

pub(crate) async fn update(
    store: &Store,
    org: OrgId,
    id: ChannelId,
    change: ChannelChange,
) -> Channel {
    match store.update_channel(org, id, change, None).await.unwrap() {
        UpdatedChannel::Done(channel) => channel,
        other => panic!("{other:?}"),
    }
}

async fn secret_of(store: &Store, owner: &Owner, id: ChannelId) -> String {
    let opened = store.open_channel(owner.org, id).await.unwrap().unwrap();
    opened.secret.expose_secret().to_owned()
}

async fn a_channel_is_kept_read_changed_and_deleted(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let made = channel(&store, &anna, "night shift").await;
    assert_eq!((made.revision, made.disabled_reason.as_deref()), (1, None));
    let read = store.get_channel(anna.org, made.id).await.unwrap();
    assert_eq!(read.as_ref(), Some(&made));
    assert_eq!(store.get_channel(bert.org, made.id).await.unwrap(), None);
    let listed = store.list_channels(anna.org, PAGE).await.unwrap();
    assert_eq!(listed.items, std::slice::from_ref(&made));
    let listed = store.list_channels(bert.org, PAGE).await.unwrap();
    assert_eq!(listed.items, []);
    let change = ChannelChange {
        name: "day shift".to_owned(),
        config: json!({ "url": "https://example.com/other" }),
        secret: Some(format!("{CANARY} new").into()),
        is_enabled: false,
        ..as_it_is(&made)
    };
    let foreign = store.update_channel(bert.org, made.id, change.clone(), None);
    assert!(matches!(foreign.await.unwrap(), UpdatedChannel::NotFound));
    let stale = store.update_channel(anna.org, made.id, change.clone(), Some(7));
    assert!(matches!(stale.await.unwrap(), UpdatedChannel::Stale));
    let changed = store
        .update_channel(anna.org, made.id, change, Some(1))
        .await;
    let UpdatedChannel::Done(changed) = changed.unwrap() else {
        panic!("it is as expected");
    };
    assert_eq!((changed.name.as_str(), changed.revision), ("day shift", 2));
    assert!(!changed.is_enabled);
    assert_eq!(changed.updated_at, start() + TimeDelta::seconds(1));
    let read = store.get_channel(anna.org, made.id).await.unwrap();
    assert_eq!(read, Some(changed.clone()));
    assert_eq!(
        secret_of(&store, &anna, made.id).await,
        format!("{CANARY} new")
    );
    // Without a new one, the secret stays.
    update(&store, anna.org, made.id, as_it_is(&changed)).await;
    assert_eq!(
        secret_of(&store, &anna, made.id).await,
        format!("{CANARY} new")
    );
    assert!(!store.delete_channel(bert.org, made.id).await.unwrap());
    assert!(store.delete_channel(anna.org, made.id).await.unwrap());
    assert!(!store.delete_channel(anna.org, made.id).await.unwrap());
    assert_eq!(store.get_channel(anna.org, made.id).await.unwrap(), None);
    let filter = AuditFilter {
        action: Some("channel.".to_owned()),
        ..AuditFilter::default()
    };
    let log = store
        .list_audit(ChainId::from(anna.org), &filter, PAGE)
        .await;
    let log = log.unwrap().items;
    let actions: Vec<_> = log
        .iter()
        .map(|entry| entry.record.action.as_str())
        .collect();
    assert_eq!(
        actions,
        [
            "channel.delete",
            "channel.update",
            "channel.update",
            "channel.create"
        ]
    );
    let text = serde_json::to_string(&log.iter().map(|entry| &entry.record).collect::<Vec<_>>());
    assert!(!text.unwrap().contains(CANARY));
}

async fn a_name_is_there_once_an_organization(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    channel(&store, &anna, "one").await;
    let two = channel(&store, &anna, "two").await;
    channel(&store, &bert, "one").await;
    let again = store
        .create_channel(new_channel(&anna, "one"))
        .await
        .unwrap_err();
    assert!(
        matches!(again, StoreError::Conflict { field: "name" }),
        "{again:?}"
    );
    let change = ChannelChange {
        name: "one".to_owned(),
        ..as_it_is(&two)
    };
    let taken = store
        .update_channel(anna.org, two.id, change, None)
        .await
        .unwrap_err();
    assert!(
        matches!(taken, StoreError::Conflict { field: "name" }),
        "{taken:?}"
    );
}

async fn an_organization_has_so_many_channels(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    for number in 1..MAX_CHANNELS {
        channel(&store, &anna, &number.to_string()).await;
    }
    // Two who make the last one at once.
    let (one, other) = tokio::join!(
        store.create_channel(new_channel(&anna, "last")),
        store.create_channel(new_channel(&anna, "too late")),
    );
    let made = [one.unwrap(), other.unwrap()];
    let done = made
        .iter()
        .filter(|made| matches!(made, CreatedChannel::Done(_)));
    assert_eq!(done.count(), 1);
    channel(&store, &bert, "of another").await;
}

async fn secrets_open_for_deliveries_only(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let (hers, his) = (
        channel(&store, &anna, "hers").await,
        channel(&store, &bert, "his").await,
    );
    assert!(!format!("{hers:?}").contains(CANARY));
    assert!(
        store
            .open_channel(bert.org, hers.id)
            .await
            .unwrap()
            .is_none()
    );
    let gone = ChannelId::generate(&clock());
    let opened = store.open_channels(&[hers.id, his.id, gone]).await.unwrap();
    assert_eq!(opened.len(), 2);
    for (channel, name) in [(&hers, "hers"), (&his, "his")] {
        let opened = opened[&channel.id].as_ref().unwrap();
        assert_eq!(&opened.channel, channel);
        let secret = opened.secret.expose_secret();
        assert_eq!(secret, &format!(r#"{{"secret":"{CANARY} {name}"}}"#));
        assert!(!format!("{opened:?}").contains(CANARY));
    }
    assert!(store.open_channels(&[]).await.unwrap().is_empty());
}

async fn rules_tell_channels_of_their_organization(store: Store) {
    let (anna, bert) = (owner(&store, "anna").await, owner(&store, "bert").await);
    let script = script(&store, &anna).await.id;
    let rule = rule(&store, &anna, script).await.id;
    let (one, two) = (
        channel(&store, &anna, "1").await.id,
        channel(&store, &anna, "2").await.id,
    );
    let his = channel(&store, &bert, "1").await.id;
    let set = async |org, rule, channels: &[ChannelId]| {
        store.set_rule_channels(org, rule, channels).await.unwrap()
    };
    let list = async || {
        let mut list = store
            .list_rule_channels(anna.org, rule)
            .await
            .unwrap()
            .unwrap();
        list.sort_unstable();
        list
    };
    let mut both = [one, two];
    both.sort_unstable();
    assert_eq!(list().await, []);
    assert_eq!(
        set(anna.org, rule, &[one, two, one]).await,
        SetChannels::Done
    );
    assert_eq!(list().await, both);
    assert_eq!(
        set(anna.org, rule, &[one, his]).await,
        SetChannels::NoChannel(his)
    );
    assert_eq!(list().await, both, "nothing is changed by half");
    assert_eq!(set(bert.org, rule, &[his]).await, SetChannels::NoRule);
    assert_eq!(
        store.list_rule_channels(bert.org, rule).await.unwrap(),
        None
    );
    let nobody = AlertRuleId::generate(&clock());
    assert_eq!(set(anna.org, nobody, &[]).await, SetChannels::NoRule);
    let of = async |org, rules: &[AlertRuleId]| store.channels_of_rules(org, rules).await.unwrap();
    let found = of(anna.org, &[rule, nobody]).await;
    assert_eq!((found.len(), found[&rule].as_slice()), (1, &both[..]));
    assert!(of(bert.org, &[rule]).await.is_empty());
    assert!(of(anna.org, &[]).await.is_empty());
    assert!(store.delete_channel(anna.org, one).await.unwrap());
    assert_eq!(list().await, [two]);
    assert_eq!(set(anna.org, rule, &[]).await, SetChannels::Done);
    assert_eq!(list().await, []);
}

async fn keys_change_and_secrets_stay(store: Store) {
    let anna = owner(&store, "anna").await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(channel(&store, &anna, &number.to_string()).await);
    }
    keep(
        &store,
        &anna,
        VariableLevel::Organization,
        "TOKEN",
        secret(CANARY),
    )
    .await;
    let rotated = store.rotate_data_key(anna.org, start()).await.unwrap();
    let expected = Rotated {
        version: 2,
        reencrypted: 6,
    };
    assert_eq!(rotated, Some(expected));
    let both = store.clone().with_vault(testing::vault(&["1", "2"]));
    // The one version that is left: nothing needs the first.
    assert_eq!(both.rewrap_data_keys().await.unwrap(), 1);
    let newer = store.clone().with_vault(testing::vault(&["2"]));
    for channel in &made {
        let secret = secret_of(&newer, &anna, channel.id).await;
        assert!(secret.contains(&format!("{CANARY} {}", channel.name)));
        let read = newer.get_channel(anna.org, channel.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(channel), "it is the same channel");
        assert!(store.open_channel(anna.org, channel.id).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_opens_in_its_place_only() {
    on_each(async |database| {
        let store = &database.store;
        let (anna, bert) = (owner(store, "anna").await, owner(store, "bert").await);
        let (one, two) = (
            channel(store, &anna, "one").await,
            channel(store, &anna, "two").await,
        );
        let his = channel(store, &bert, "his").await;
        by_hand(
            database,
            "CREATE TABLE kept AS SELECT * FROM notification_channels",
        )
        .await;
        for (from, to) in [("one", "two"), ("one", "his")] {
            let sql = format!(
                "UPDATE notification_channels SET ciphertext = (SELECT kept.ciphertext FROM kept \
                 WHERE kept.name = '{from}') WHERE name = '{to}'"
            );
            assert_eq!(by_hand(database, &sql).await, 1);
        }
        let opened = store
            .open_channels(&[one.id, two.id, his.id])
            .await
            .unwrap();
        assert!(
            opened[&one.id].is_ok(),
            "what is wrong with others is no concern of it"
        );
        for id in [two.id, his.id] {
            let error = opened[&id].as_ref().unwrap_err();
            let table = "notification_channels";
            assert!(matches!(error, StoreError::Corrupt { table: found, .. } if *found == table));
            assert!(!format!("{error:?} {error}").contains(CANARY));
        }
        // A key is kept as long as a channel needs it.
        assert!(store.rotate_data_key(anna.org, start()).await.is_err());
        assert_eq!(count(database, "organization_keys").await, 3);
    })
    .await;
}
