package fairlead

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Store keeps the state of the house. It is read through its parts; it is changed
// only by [Store.Write], which takes the event that explains the change and commits
// both, or neither. What decides nothing (when a token was last used, a run's log and
// heartbeat) goes through [Pulse] without an event: a million of them would bury the
// events that say something.
//
// Errors are [NotFound] for what isn't there, [Conflict] for what is there already, is
// in use or has changed meanwhile, [Unavailable] when the database doesn't answer and
// [Internal] otherwise. Lists are in the order that each method names, and nil when
// empty. Times come back in UTC, to the microsecond.
type Store interface {
	Organizations
	Users
	Tokens
	Projects
	Connectors
	Rotations
	Watched
	Registries
	Stacks
	Webhooks
	Runs
	Workers
	Events
	Keys
	Origins
	Duties
	Deposits
	Pulse
	Lookouts
	Tallies

	// Write runs change in one transaction, adds the event that it returns, and
	// commits. If change returns an error, or an event without an action, nothing is
	// changed and nothing added. The error of change comes back as it is, and an error
	// of w other than [NotFound] and [ErrUnchanged] even if change passes over it.
	// change may be run again from its start when the database asks for it (serialisation
	// failure), so it must not act outside of w.
	Write(ctx context.Context, change func(ctx context.Context, w Writer) (Event, error)) error

	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	Close() error
}

// ErrUnchanged is for a change that found nothing to do: nothing is written, no event
// is added, and Write returns it.
var ErrUnchanged = errors.New("nothing to change")

// Organizations reads organizations.
type Organizations interface {
	Organization(ctx context.Context, id OrganizationID) (Organization, error)
	OrganizationByName(ctx context.Context, name Name) (Organization, error)
	// Revision counts the changes to an organization and all that it owns but its
	// projects' runs. Whatever was remembered at another revision is out of date.
	Revision(ctx context.Context, id OrganizationID) (int64, error)
}

// Users reads users and members.
type Users interface {
	User(ctx context.Context, id UserID) (User, error)
	UserByName(ctx context.Context, name Name) (User, error)
	// Memberships lists a user's, by organization.
	Memberships(ctx context.Context, id UserID) ([]Membership, error)
	// MembersOf lists an organization's, by name.
	MembersOf(ctx context.Context, id OrganizationID) ([]MemberOf, error)
	// IsSetUp reports whether there is any user.
	IsSetUp(ctx context.Context) (bool, error)
}

// Tokens reads tokens.
type Tokens interface {
	TokenByHash(ctx context.Context, hash TokenHash) (Token, error)
	// TokensOf lists a user's API tokens and sessions, newest first.
	TokensOf(ctx context.Context, user UserID) ([]Token, error)
}

// Projects reads projects.
type Projects interface {
	Project(ctx context.Context, id ProjectID) (Project, error)
	ProjectByName(ctx context.Context, owner, name Name) (Project, error)
	// ProjectsOf lists those of the organizations and of the user, by full name.
	ProjectsOf(ctx context.Context, organizations []OrganizationID, user UserID) ([]Project, error)
}

// Connectors reads connectors.
type Connectors interface {
	Connector(ctx context.Context, org OrganizationID, id ConnectorID) (Connector, error)
	ConnectorByName(ctx context.Context, org OrganizationID, name Name) (Connector, error)
	// ConnectorsOf lists an organization's, by name.
	ConnectorsOf(ctx context.Context, org OrganizationID) ([]Connector, error)
	// SealedFields gives a connector's secret fields, by field.
	SealedFields(ctx context.Context, org OrganizationID, id ConnectorID) ([]SealedField, error)
}

// Rotations reads what connectors were before their secrets were rotated. Whatever has
// had its time at now isn't there any more.
type Rotations interface {
	// Previous gives what the connector was.
	Previous(ctx context.Context, org OrganizationID, id ConnectorID, now time.Time) (Previous, error)
	// PreviousFields gives the secret fields that it had, by field; nil if there are none.
	PreviousFields(ctx context.Context, org OrganizationID, id ConnectorID, now time.Time) ([]SealedField, error)
}

// Watched reads how connectors do, and for whom they were used.
type Watched interface {
	Health(ctx context.Context, org OrganizationID, id ConnectorID) (Health, error)
	// HealthsOf lists those of an organization's connectors, by the connector's identifier.
	HealthsOf(ctx context.Context, org OrganizationID) ([]Health, error)
	// UsesOf lists for whom a connector was used since a time, the latest first, at most
	// limit. What was removed since, or given away, isn't in it.
	UsesOf(ctx context.Context, org OrganizationID, id ConnectorID, since time.Time, limit int) ([]ConnectorUse, error)
}

// Webhooks reads webhooks and what is on its way to them.
type Webhooks interface {
	Webhook(ctx context.Context, org OrganizationID, id WebhookID) (Webhook, error)
	WebhookByName(ctx context.Context, org OrganizationID, name Name) (Webhook, error)
	// WebhooksOf lists an organization's, by name.
	WebhooksOf(ctx context.Context, org OrganizationID) ([]Webhook, error)
	// WebhookKey gives the sealed key with which a webhook's messages are signed.
	WebhookKey(ctx context.Context, org OrganizationID, id WebhookID) ([]byte, error)
	// DeliveriesOf lists a webhook's, the latest event first, at most limit.
	DeliveriesOf(ctx context.Context, org OrganizationID, id WebhookID, limit int) ([]Delivery, error)
}

// Registries reads registry entries.
type Registries interface {
	RegistryByName(ctx context.Context, org OrganizationID, name Name) (Registry, error)
	// RegistriesOf lists an organization's, by name.
	RegistriesOf(ctx context.Context, org OrganizationID) ([]Registry, error)
}

// Stacks reads stacks.
type Stacks interface {
	StackByName(ctx context.Context, org OrganizationID, name Name) (Stack, error)
	// StacksOf lists an organization's, by name.
	StacksOf(ctx context.Context, org OrganizationID) ([]Stack, error)
}

// Runs reads runs.
type Runs interface {
	Run(ctx context.Context, id RunID) (Run, error)
	RunByNumber(ctx context.Context, project ProjectID, number int64) (Run, error)
	// RunsOf lists a project's, newest first, those with a lower number than before
	// (0 begins at the newest), at most limit.
	RunsOf(ctx context.Context, project ProjectID, before int64, limit int) ([]Run, error)
	// Claimable reports whether the worker (of no organization: a worker for everybody)
	// would find a run to claim in its lanes, or any to take from a lost worker, at now.
	Claimable(ctx context.Context, w Worker, now time.Time) (bool, error)
	// OutputsOf lists a run's outputs, by name.
	OutputsOf(ctx context.Context, id RunID) ([]Output, error)
	// Log gives the lines after seq, at most limit.
	Log(ctx context.Context, id RunID, after int64, limit int) ([]LogLine, error)
	// LastLine is the Seq of the log's last line, 0 if there is none.
	LastLine(ctx context.Context, id RunID) (int64, error)
	// HasArchive reports whether the project was given the archive.
	HasArchive(ctx context.Context, project ProjectID, digest Digest) (bool, error)
}

// Workers reads workers.
type Workers interface {
	Worker(ctx context.Context, id WorkerID) (Worker, error)
	// WorkersOf lists an organization's, by name.
	WorkersOf(ctx context.Context, org OrganizationID) ([]Worker, error)
}

// Events reads events.
type Events interface {
	Event(ctx context.Context, org OrganizationID, id EventID) (Event, error)
	EventsWhere(ctx context.Context, q EventQuery) (EventPage, error)
}

// WrappedKeys are an organization's data keys as they are stored: a keyset, encrypted
// with the key-encryption key KEK.
type WrappedKeys struct {
	Organization OrganizationID
	KEK          string // identifier of the key-encryption key
	Wrapped      []byte
	Version      int64 // counts the changes, for optimistic writing
}

// HouseSecret is a secret of the house itself, which no organization owns, as it is
// stored: sealed with the key-encryption key KEK.
type HouseSecret struct {
	Name    string
	KEK     string // identifier of the key-encryption key
	Sealed  []byte
	Version int64 // counts the changes, for optimistic writing
}

// Keys reads wrapped data keys.
type Keys interface {
	WrappedKeys(ctx context.Context, org OrganizationID) (WrappedKeys, error)
	// AllWrappedKeys lists every organization's, by organization.
	AllWrappedKeys(ctx context.Context) ([]WrappedKeys, error)
	HouseSecret(ctx context.Context, name string) (HouseSecret, error)
	// HouseSecrets lists all, by name.
	HouseSecrets(ctx context.Context) ([]HouseSecret, error)
}

// Origins reads which upstream hosts the gateway has had blobs from.
type Origins interface {
	// OriginsOf lists those of a blob, by host.
	OriginsOf(ctx context.Context, digest Digest) ([]Origin, error)
}

// Duties say which of several servers does what one is enough for. Like [Pulse] they are
// written without an event. Times are those of the servers' clocks: one that is wrong has
// a thing done twice, or a little later.
type Duties interface {
	// TakeDuty takes a duty, or renews it, unless another has it whose time isn't over at
	// now; it gives who has it after that.
	TakeDuty(ctx context.Context, d Duty, now time.Time) (Duty, error)
	// LeaveDuty gives a duty up, if the holder still has it.
	LeaveDuty(ctx context.Context, name, holder string) error
	// SweepDuties forgets those whose time was over before a time.
	SweepDuties(ctx context.Context, before time.Time) error
}

// Deposits are the books of the store that several servers share. Like [Pulse] they are
// written without an event.
type Deposits interface {
	// DepositOf gives a blob's. [NotFound]
	DepositOf(ctx context.Context, digest Digest) (Deposit, error)
	// DepositsByUse lists those that were least recently used, without Sums.
	DepositsByUse(ctx context.Context, limit int) ([]Deposit, error)
	// DepositUsage gives the number of those that are whole, and their bytes.
	DepositUsage(ctx context.Context) (n int, bytes int64, err error)
	// PutDeposit adds a deposit, or changes it; one that is whole stays so.
	PutDeposit(ctx context.Context, d Deposit) error
	// UseDeposit notes that a blob was used that is whole, if that is later than what is
	// known. [NotFound]
	UseDeposit(ctx context.Context, digest Digest, at time.Time) error
	// RemoveDeposit forgets one, unless it was used after a time; it gives whether it did.
	RemoveDeposit(ctx context.Context, digest Digest, used time.Time) (bool, error)
}

// Pulse writes what is only ever looked at, and decides nothing that lasts.
type Pulse interface {
	// TouchToken notes that a token was used.
	TouchToken(ctx context.Context, id TokenID, at time.Time) error
	// SweepTokens removes tokens and links whose time was over before now.
	SweepTokens(ctx context.Context, now time.Time) error
	// TouchConnector notes that a login from a connector was handed out.
	TouchConnector(ctx context.Context, org OrganizationID, id ConnectorID, at time.Time) error
	// ClaimTrial gives the connector whose trial has been due the longest at due, and
	// puts its next one off until the given time, so that nobody else tries it now: [NotFound] if
	// none is due.
	ClaimTrial(ctx context.Context, due, until time.Time) (Connector, error)
	// NoteTrial stores what a trial found, and when the next one is due. The state that
	// was told stays: [Writer] has that.
	NoteTrial(ctx context.Context, org OrganizationID, h Health, next time.Time) error
	// SweepConnectors removes what connectors were before now, and uses before since.
	SweepConnectors(ctx context.Context, now, since time.Time) error
	// ClaimDelivery gives the delivery whose next try has been due the longest at now,
	// counts the try, and puts the next one off until the given time: [NotFound] if none
	// is due.
	ClaimDelivery(ctx context.Context, now, until time.Time) (Delivery, error)
	// NoteDelivery stores what came of a try.
	NoteDelivery(ctx context.Context, d Delivery) error
	// SweepDeliveries removes those that ended before a time.
	SweepDeliveries(ctx context.Context, before time.Time) error
	// TouchWorker notes that a worker was heard of, and what it said of itself.
	TouchWorker(ctx context.Context, w Worker) error
	// Renew lengthens a worker's hold on a run and notes its progress. It answers the
	// run, in which the worker finds whether it shall stop. [Conflict] (CodeFence) if
	// the fence isn't the run's, or the run has ended.
	Renew(ctx context.Context, id RunID, fence int64, until time.Time, p *Progress) (Run, error)
	// AppendLog adds lines whose Seq follow each other. Lines that are there already
	// are passed over, so that an answer that was lost can be asked for again; a gap,
	// or another fence than the run's, is a [Conflict].
	AppendLog(ctx context.Context, id RunID, fence int64, lines []LogLine) error
	// NoteDiagnosis notes what was found on the way of a run's pull, also when the run has
	// ended. [NotFound]
	NoteDiagnosis(ctx context.Context, id RunID, d Diagnosis) error
	// PutOrigin adds an upstream host of a blob, or notes that it has given all of it,
	// which stays so. It is there for the next who asks, on every replica.
	PutOrigin(ctx context.Context, o Origin) error
}

// Lookouts are what workers are asked to look at. Like [Pulse] they decide nothing that
// lasts, and are forgotten after minutes.
type Lookouts interface {
	Lookout(ctx context.Context, id string) (Lookout, error)
	// AddLookout asks a worker, and forgets what was asked before a time. [NotFound]
	// without the worker.
	AddLookout(ctx context.Context, l Lookout, before time.Time) error
	// TakeLookout hands the worker the oldest that nobody has taken and that wasn't asked
	// before since; [ErrUnchanged] if there is none.
	TakeLookout(ctx context.Context, worker WorkerID, since time.Time) (Lookout, error)
	// AnswerLookout notes what the worker that took it has seen. [NotFound] if it didn't,
	// or has answered already.
	AnswerLookout(ctx context.Context, worker WorkerID, id string, sight json.RawMessage) error
}

// Writer changes the state within [Store.Write]. Methods that are given a thing with a
// Version refuse with [Conflict] (CodeStale) if the stored one is another, and store
// Version + 1. Its reads see what the write has changed so far: within a write, read
// through it and not through the store.
type Writer interface {
	Connectors
	Rotations
	Users

	// AddOrganization refuses a name that an organization or a user has.
	AddOrganization(ctx context.Context, o Organization) error
	UpdateOrganization(ctx context.Context, o Organization) error

	// AddUser refuses a name that an organization or a user has.
	AddUser(ctx context.Context, u User) error
	UpdateUser(ctx context.Context, u User) error
	// PutMember adds a member or changes the role. The last administrator stays one.
	PutMember(ctx context.Context, m Membership) error
	// RemoveMember refuses to remove the last administrator.
	RemoveMember(ctx context.Context, org OrganizationID, user UserID) error

	AddToken(ctx context.Context, t Token) error
	// TakeLink removes a link and gives it: of several who try, one gets it.
	TakeLink(ctx context.Context, hash TokenHash) (Token, error)
	RemoveToken(ctx context.Context, user UserID, id TokenID) error
	// RemoveTokensOf removes those of the given kind.
	RemoveTokensOf(ctx context.Context, user UserID, kind TokenKind) error

	AddProject(ctx context.Context, p Project) error
	// MoveProject gives a project another owner or name. With another owner it loses its
	// stack.
	MoveProject(ctx context.Context, p Project) error
	// RemoveProject refuses while a run of it has not ended, and takes its runs along.
	RemoveProject(ctx context.Context, id ProjectID) error

	ConnectorWriter
	WatchWriter
	WebhookWriter
	RegistryWriter
	StackWriter
	RunWriter

	AddWorker(ctx context.Context, w Worker) error
	// RemoveWorker takes the worker's token along.
	RemoveWorker(ctx context.Context, org OrganizationID, id WorkerID) error

	// LockKeys reads an organization's data keys and keeps others from changing them,
	// and from sealing with them, until the write ends.
	LockKeys(ctx context.Context, org OrganizationID) (WrappedKeys, error)
	// PutWrappedKeys adds or replaces (Version as above; 0 adds).
	PutWrappedKeys(ctx context.Context, k WrappedKeys) error
	// PutHouseSecret adds or replaces (Version as above; 0 adds).
	PutHouseSecret(ctx context.Context, s HouseSecret) error
}

// ConnectorWriter changes connectors.
type ConnectorWriter interface {
	AddConnector(ctx context.Context, c Connector, secrets []SealedField) error
	// UpdateConnector replaces the connector and all of its secret fields.
	UpdateConnector(ctx context.Context, c Connector, secrets []SealedField) error
	// ResealFields replaces ciphertexts without a new version: what they open to
	// stays the same.
	ResealFields(ctx context.Context, org OrganizationID, id ConnectorID, secrets []SealedField) error
	// RotateConnector is UpdateConnector, and keeps what the connector was, with its
	// secret fields, as the previous one until a time; the one before that goes. A time
	// that isn't after c.Updated keeps nothing.
	RotateConnector(ctx context.Context, c Connector, secrets []SealedField, until time.Time) error
	// ResealPrevious is ResealFields of the previous ones.
	ResealPrevious(ctx context.Context, org OrganizationID, id ConnectorID, secrets []SealedField) error
	// ClaimRenewal notes that a connector's secrets are being renewed until the given
	// time, so that nobody else begins it: [ErrUnchanged] if somebody holds that note at
	// now, [Conflict] (CodeStale) if the version isn't the stored one.
	ClaimRenewal(ctx context.Context, c Connector, now, until time.Time) error
	// RemoveConnector refuses ([Conflict], CodeInUse) while a registry uses it.
	RemoveConnector(ctx context.Context, org OrganizationID, id ConnectorID) error
}

// WatchWriter changes what is known of connectors.
type WatchWriter interface {
	// HoldEntry keeps others from changing a registry entry and its connector until the
	// write ends, and gives their versions.
	HoldEntry(ctx context.Context, org OrganizationID, id RegistryID) (registry, connector int64, err error)
	// NoteUse notes for whom a connector was used; of the same, the last time counts.
	NoteUse(ctx context.Context, u ConnectorUse) error
	// LockHealth reads a connector's health and keeps others from telling another state
	// until the write ends.
	LockHealth(ctx context.Context, org OrganizationID, id ConnectorID) (Health, error)
	// TellHealth stores the state that is told of a connector.
	TellHealth(ctx context.Context, org OrganizationID, id ConnectorID, state HealthState) error
}

// WebhookWriter changes webhooks. What they are told of is on its way to them as soon as
// the write with the event has ended: [Store.Write] sees to it.
type WebhookWriter interface {
	// AddWebhook refuses a name that the organization has already.
	AddWebhook(ctx context.Context, h Webhook, key []byte) error
	RemoveWebhook(ctx context.Context, org OrganizationID, id WebhookID) error
	// WebhooksOf and WebhookKey are those of [Webhooks].
	WebhooksOf(ctx context.Context, org OrganizationID) ([]Webhook, error)
	WebhookKey(ctx context.Context, org OrganizationID, id WebhookID) ([]byte, error)
	// ResealWebhook replaces the sealed key; what it opens to stays the same.
	ResealWebhook(ctx context.Context, org OrganizationID, id WebhookID, key []byte) error
	// AddDelivery sends one event to one webhook, whether or not it asked for such.
	AddDelivery(ctx context.Context, d Delivery) error
}

// RegistryWriter changes registry entries.
type RegistryWriter interface {
	// AddRegistry refuses a name or a pattern that the organization has already.
	AddRegistry(ctx context.Context, r Registry) error
	UpdateRegistry(ctx context.Context, r Registry) error
	// RemoveRegistry refuses ([Conflict], CodeInUse) while a stack pushes to it.
	RemoveRegistry(ctx context.Context, org OrganizationID, id RegistryID) error
}

// StackWriter changes stacks.
type StackWriter interface {
	// AddStack refuses a name that the organization has already.
	AddStack(ctx context.Context, s Stack) error
	UpdateStack(ctx context.Context, s Stack) error
	// RemoveStack refuses ([Conflict], CodeInUse) while a project uses it.
	RemoveStack(ctx context.Context, org OrganizationID, id StackID) error
	// SetProjectStack makes a stack of the project's organization its active one; "" is
	// none.
	SetProjectStack(ctx context.Context, project ProjectID, id StackID) error
}

// RunWriter changes runs.
type RunWriter interface {
	AddArchive(ctx context.Context, project ProjectID, digest Digest, size int64, at time.Time) error
	// AddRun gives the run the next number of its project.
	AddRun(ctx context.Context, r Run) (Run, error)
	// ClaimRun hands the oldest queued run of the worker's lanes to it, under
	// the next fence and until the given time; [ErrUnchanged] if there is none.
	ClaimRun(ctx context.Context, w Worker, now, until time.Time) (Run, error)
	// LoseRun finds one run whose worker's hold ended before now and puts it back
	// into the queue, or ends it if it was tried often enough; [ErrUnchanged] if there
	// is none.
	LoseRun(ctx context.Context, now time.Time) (Run, error)
	// LockRun reads a run and keeps others from changing it until the write ends.
	LockRun(ctx context.Context, id RunID) (Run, error)
	// UpdateRun stores the run's state, record and result; not its hold (Until) and
	// progress, which [Pulse] and the claim write. [Conflict] (CodeFence) if the stored
	// fence isn't r.Fence or the stored run has ended.
	UpdateRun(ctx context.Context, r Run) error
	// AddOutput notes an output of a run; of the same name, the last one counts.
	AddOutput(ctx context.Context, id RunID, fence int64, o Output) error
}
