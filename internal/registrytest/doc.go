// Package registrytest is a private registry for tests and demonstrations, with real
// accounts, rights and tokens, and with the misbehaviours that are met in the field.
//
// [New] gives one inside of the process, whose [Faults] can be changed while it runs.
// [Debian] gives Debian's docker-registry, the real thing. Both record nothing that a
// test would have to wait for: a request is in the record before its reply has begun.
package registrytest
