package clientlogin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// record is what Fairlead remembers of a login that it keeps somewhere: enough to know it
// again and to put back what was there, and not the login.
type record struct {
	Server    string        `json:"server"`
	Connector fairlead.Name `json:"connector"`
	Client    Client        `json:"client"`
	File      string        `json:"file"`
	Helper    string        `json:"helper,omitempty"`
	Key       string        `json:"key"`
	Ends      time.Time     `json:"expires,omitzero"`
	Wrote     string        `json:"wrote,omitempty"` // the hash of what was written to the file
	// Before is what was in the file.
	Before json.RawMessage `json:"before,omitempty"`
}

func (r record) kept() Kept {
	k := Kept{Client: r.Client, Store: r.File, Key: r.Key, Ends: r.Ends}
	if r.Helper != "" {
		k.Store = "docker-credential-" + r.Helper
	}
	return k
}

// mine reports whether an entry of a file is still what was written.
func (r record) mine(entry json.RawMessage) bool { return len(entry) > 0 && sum(entry) == r.Wrote }

// sum is the hash of an entry, however it is laid out.
func sum(entry json.RawMessage) string {
	var fields map[string]any
	if json.Unmarshal(entry, &fields) == nil {
		if b, err := json.Marshal(fields); err == nil {
			entry = b
		}
	}
	h := sha256.Sum256(entry)
	return hex.EncodeToString(h[:])
}

func (r record) same(o record) bool {
	return r.File == o.File && r.Helper == o.Helper && r.Key == o.Key
}

// state is the records, held against another process.
type state struct {
	file string
	uid  int
	lock *os.File
	list []record
}

func (p Places) openState() (*state, error) {
	s := &state{file: filepath.Join(p.State, "clientlogins.json"), uid: p.UID}
	what := "remembering logins in " + s.file
	if err := os.MkdirAll(p.State, 0o700); err != nil {
		return nil, fileError(what, err)
	}
	lock, err := os.OpenFile(filepath.Join(p.State, "clientlogins.lock"), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fileError(what, err)
	}
	s.lock = lock
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		s.close()
		return nil, fileError(what, err)
	}
	b, err := readOwn(s.file, s.uid)
	if err == nil {
		if json.Unmarshal(b, &s.list) != nil {
			err = damaged(s.file)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.close()
		return nil, fileError(what, err)
	}
	return s, nil
}

// close lets go of the lock.
func (s *state) close() { _ = s.lock.Close() }

func (s *state) find(r record) (record, bool) {
	i := slices.IndexFunc(s.list, r.same)
	if i < 0 {
		return record{}, false
	}
	return s.list[i], true
}

// of lists the records of a connector.
func (s *state) of(server string, connector fairlead.Name, client Client) []record {
	var list []record
	for _, r := range s.list {
		if r.Server == server && r.Connector == connector && (client == "" || r.Client == client) {
			list = append(list, r)
		}
	}
	return list
}

func (s *state) put(r record) error {
	s.list = append(slices.DeleteFunc(s.list, r.same), r)
	return s.write()
}

func (s *state) drop(r record) error {
	s.list = slices.DeleteFunc(s.list, r.same)
	return s.write()
}

func (s *state) write() error {
	b, err := json.Marshal(s.list)
	if err == nil {
		err = writeOwn(s.file, b, s.uid)
	}
	if err != nil {
		return fileError("remembering logins in "+s.file, err)
	}
	return nil
}
