package fairlead

// Code is a stable word by which programs tell errors of one kind apart.
type Code string

// What stops a pull. Each is told apart by the worker and the gateway, shown with its
// own sentence and remedy, and kept in a failed run.
const (
	CodeNoEntry           Code = "no_entry"           // refused, and no registry entry covers the image
	CodePersonalProject   Code = "personal_project"   // an entry covers it, but the project is personal
	CodeLoginRefused      Code = "login_refused"      // the registry doesn't accept the login
	CodeNoRight           Code = "no_right"           // the login is good, but may not read this repository
	CodeNoImage           Code = "no_such_image"      // no such repository, tag or digest
	CodeRateLimited       Code = "rate_limited"       // too many requests; RetryAt says until when
	CodeDNS               Code = "unreachable_dns"    // the host's name has no address
	CodeConnect           Code = "unreachable"        // no connection
	CodeTLS               Code = "unreachable_tls"    // no trust
	CodeTimeout           Code = "timed_out"          // no answer in time
	CodeConnectorExpired  Code = "connector_expired"  // the connector's own date has passed
	CodePlatform          Code = "wrong_platform"     // the image isn't there for the worker's platform
	CodeNoRepository      Code = "no_such_repository" // a registry that makes none of itself lacks what is pushed to
	CodeImmutable         Code = "tag_immutable"      // the registry doesn't let the tag be moved
	CodePush              Code = "push_refused"       // the registry entry isn't one that projects may push to
	CodeDisclosure        Code = "disclosure_refused" // only the stored secret itself would open it
	CodeRegistryBroken    Code = "registry_broken"    // the registry answers, but not as the specification says
	CodeDigest            Code = "wrong_digest"       // the bytes are not those that the digest names
	CodeRealm             Code = "realm_refused"      // the registry's token endpoint isn't one that may see the login
	CodeEgress            Code = "egress_refused"     // the address isn't one that Fairlead may connect to
	CodeUnsupportedImage  Code = "unsupported_image"  // it is of a kind that can't be run
	CodeUnpack            Code = "unpack"             // a layer couldn't be unpacked
	CodeEngine            Code = "engine"             // the engine refused
	CodeEngineUnsupported Code = "engine_unsupported" // the step asks for what the engine can't do
)

// What else programs tell apart.
const (
	CodeFence        Code = "fence"          // another worker holds the run now
	CodeWorkerLost   Code = "worker_lost"    // the worker that held the run was not heard of in time
	CodeTimeLimit    Code = "time_limit"     // the step's time-limit has passed
	CodeNoOutput     Code = "no_output"      // the step's no-output-timeout has passed
	CodeStopped      Code = "stopped"        // somebody stopped the run
	CodeExit         Code = "exit_code"      // the step's command ended with an exit code other than 0
	CodeInput        Code = "input"          // an input couldn't be fetched, or has another checksum
	CodeInUse        Code = "in_use"         // something else uses it
	CodeExists       Code = "exists"         // it is there already
	CodeRecentlyUsed Code = "recently_used"  // nothing needs it now, and something did not long ago
	CodeUnproved     Code = "proof_failed"   // a step of the proof failed, so nothing was saved
	CodeStale        Code = "stale"          // it was changed since it was read
	CodeWrongKey     Code = "wrong_key"      // the key-encryption key isn't the one that sealed the secrets
	CodeNotSetUp     Code = "not_set_up"     // there is no administrator
	CodeAlreadySetUp Code = "already_set_up" // there is one
)
