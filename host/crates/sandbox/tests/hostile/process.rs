//! What this process holds, as the kernel tells it, and how often it panicked.

use std::{
    fs,
    path::Path,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// From now on panics of any thread are counted.
pub(crate) fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(info);
        }));
    });
}

pub(crate) fn panics() -> usize {
    PANICS.load(Ordering::SeqCst)
}

/// Threads and open descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
}

impl Held {
    pub(crate) fn now() -> Self {
        Self {
            threads: entries("/proc/self/task"),
            descriptors: entries("/proc/self/fd"),
        }
    }

    /// Waits until no more is held than `before`: sockets close and helper threads end in their
    /// own time.
    pub(crate) async fn back_to(before: Self) -> Result<(), Self> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let now = Self::now();
            if now.threads <= before.threads && now.descriptors <= before.descriptors {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(now);
            }
            tokio::time::sleep_until(Instant::now() + Duration::from_millis(100)).await;
        }
    }
}

fn entries(folder: &str) -> usize {
    fs::read_dir(Path::new(folder)).unwrap().count()
}

/// What this process used of the processors, to a hundredth of a second (`proc(5)`).
pub(crate) fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // After the name of the program, which may have spaces: fields 14 and 15.
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Resident memory and its peak, in KiB.
pub(crate) fn resident_kib() -> (i64, i64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("VmHWM:"))
}
