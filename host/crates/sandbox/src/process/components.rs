//! Processes for components: one for each that runs, kept for a while after its last run.
//!
//! A process that has given up its rights cannot take up native code any more, so that each is
//! started for one component. That is a wall more: what breaks out of a component meets nothing of
//! anybody else.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};
use vedette_core::{Clock, Digest};

use super::{
    ProcessOptions, RunnerProcess,
    pool::Pool,
    runner::{Guest, LoadArtifact},
};

/// Components that have a process at one time.
const MOST: usize = 32;

/// Time after its last run that a component's process is kept. Starting one takes some tens of
/// milliseconds; one that waits holds the component's code.
const KEPT: Duration = Duration::from_secs(30);

/// Between two looks for processes that were kept long enough.
const LOOK: Duration = Duration::from_secs(1);

/// The processes. Dropping it kills them.
pub(super) struct Components {
    shared: Arc<Shared>,
}

struct Shared {
    options: ProcessOptions,
    runs: usize,
    clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
    entries: Mutex<HashMap<Digest, Entry>>,
}

struct Entry {
    place: Arc<Place>,
    last_used: Instant,
}

/// The process of a component, for as long as somebody holds this.
pub(super) struct Place {
    pool: Pool,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl Components {
    /// Must be called inside of a runtime.
    pub(super) fn new(options: ProcessOptions, runs: usize, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared {
            options: ProcessOptions {
                processes: 1,
                ..options
            },
            runs,
            clock,
            places: Arc::new(Semaphore::new(MOST)),
            entries: Mutex::default(),
        });
        tokio::spawn(sweep(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// The place of a component, which is made when there is none. Waits while all places run
    /// other components.
    pub(super) async fn take(&self, digest: Digest, load: LoadArtifact) -> io::Result<Arc<Place>> {
        if let Some(place) = self.shared.find(&digest) {
            return Ok(place);
        }
        if self.shared.places.available_permits() == 0 {
            self.shared.end_oldest_idle();
        }
        let places = self.shared.places.clone();
        let permit = places.acquire_owned().await.map_err(io::Error::other)?;
        // Somebody else may have made it meanwhile.
        let mut entries = self.shared.entries();
        if let Some(entry) = entries.get_mut(&digest) {
            entry.last_used = Instant::now();
            return Ok(entry.place.clone());
        }
        let pool = Pool::start(
            self.shared.options.clone(),
            self.shared.runs,
            Guest::Component(load),
            self.shared.clock.clone(),
        )?;
        let place = Arc::new(Place {
            pool,
            _permit: permit,
        });
        let entry = Entry {
            place: place.clone(),
            last_used: Instant::now(),
        };
        entries.insert(digest, entry);
        Ok(place)
    }

    /// Whether a component has a place.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.shared.entries().contains_key(digest)
    }

    /// What a component's place has.
    pub(super) fn processes(&self, digest: &Digest) -> Vec<RunnerProcess> {
        let entries = self.shared.entries();
        let entry = entries.get(digest);
        entry.map_or_else(Vec::new, |entry| entry.place.pool.processes())
    }

    /// Ends the process of a component, with the runs in it.
    pub(super) fn end(&self, digest: &Digest) {
        let ended = self.shared.entries().remove(digest);
        if let Some(ended) = ended {
            ended.place.pool.end();
        }
    }
}

impl Shared {
    fn entries(&self) -> MutexGuard<'_, HashMap<Digest, Entry>> {
        self.entries.lock().expect("no holder of this lock panics")
    }

    fn find(&self, digest: &Digest) -> Option<Arc<Place>> {
        let mut entries = self.entries();
        let entry = entries.get_mut(digest)?;
        entry.last_used = Instant::now();
        Some(entry.place.clone())
    }

    fn end_oldest_idle(&self) {
        let mut entries = self.entries();
        let idle = entries.iter().filter(|(_, entry)| entry.is_idle());
        let oldest = idle.min_by_key(|(_, entry)| entry.last_used);
        if let Some(digest) = oldest.map(|(digest, _)| *digest) {
            entries.remove(&digest);
        }
    }

    /// What runs now was used last when it ends.
    fn end_unused(&self) {
        let now = Instant::now();
        self.entries().retain(|_, entry| {
            if !entry.is_idle() {
                entry.last_used = now;
            }
            now - entry.last_used < KEPT
        });
    }
}

impl Entry {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.place) == 1
    }
}

async fn sweep(shared: Weak<Shared>) {
    loop {
        sleep_until(Instant::now() + LOOK).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.end_unused();
    }
}
