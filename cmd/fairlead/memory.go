package main

import "golang.org/x/sys/unix"

// hideMemory keeps the process from being written into a core file or read by other
// processes of its user (prctl(2), PR_SET_DUMPABLE; getrlimit(2)). A server holds
// secrets, a worker leases, and a command what it is given. What can't be set is what
// the system forbids to set: nothing is worse for it.
func hideMemory() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
