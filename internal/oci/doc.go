// Package oci is the client end of the OCI Distribution protocol: it pulls and pushes with
// the logins that a [fairlead.Keychain] leases, and trades a stored login for a token that
// the registry itself limits to one repository.
//
// Four rules hold wherever a byte leaves the house:
//
//   - No connection is made to an address that [Egress] forbids. The address is
//     checked when it is dialled, after the name was resolved, so that neither a
//     redirect nor a changing name gets round it.
//   - A login goes to the registry's own origin (scheme, host and port), and to a token
//     endpoint that is https or shares the host name of a registry that is itself
//     spoken to without TLS. It crosses no redirect to another host.
//   - Nothing is pushed to where a registry points that is not its own origin.
//   - Bytes are given out as what a digest names only after they were checked.
//
// Errors are [fairlead.Error] values. Their codes tell apart what stops a pull, and
// none of their texts holds a secret, a header or the body of a token reply.
package oci
