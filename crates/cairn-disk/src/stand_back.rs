//! `stand_back`: a thread that takes only what the others leave of the processors.

/// Makes the calling thread, and those that it starts, run only where no other thread wants to: what others wait for is done at once,
/// also in the middle of a turn of this one. A raised niceness lets a turn go on for some milliseconds. While all processors are
/// wanted it gets hardly any time, so whatever must come to an end needs another thread that goes on then. An unprivileged
/// process cannot take it back. False where the system cannot do it.
pub fn stand_back() -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the call reads the parameters it is given and nothing else, and 0 is the calling thread.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &libc::sched_param { sched_priority: 0 }) == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}
