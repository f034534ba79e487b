//! The worker that delivers notifications, as long as the server runs.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vedette_alerting::{Deliverer, DeliveryOptions, MailTransport, Sender};
use vedette_core::Clock;
use vedette_egress::Guard;
use vedette_store::Store;

pub(crate) struct Deliveries {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Deliveries {
    /// Begins to deliver: by HTTP through the guard, by mail where there is a mail server.
    pub(crate) fn begin(
        store: Store,
        guard: Guard,
        mail: Option<Arc<dyn MailTransport>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let options = DeliveryOptions {
            owner: format!("process {}", std::process::id()),
            ..DeliveryOptions::default()
        };
        let outbox = store.outbox();
        let deliverer = Deliverer::new(store, Sender::new(guard), mail, clock, random, options);
        let stop = CancellationToken::new();
        let task = tokio::spawn(deliverer.run(outbox, stop.clone()));
        Self { stop, task }
    }

    /// Gives what is under way a little time, and the rest back.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the delivery of notifications ended in a panic");
        }
    }
}

/// From 0 to 1, for delays that differ. Without random numbers all are the same, which still is a delay.
fn random() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
