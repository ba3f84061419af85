package clientlogin

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"fairlead.dev/fairlead"
)

// document is a client's file. What Fairlead doesn't know in it is kept as it is.
type document struct {
	file  string
	uid   int
	all   map[string]json.RawMessage
	Auths map[string]json.RawMessage
}

// maxDocument is the greatest size of a client's file, in bytes.
const maxDocument = 4 << 20

// readDocument reads a client's file; there may be none.
func readDocument(file string, uid int) (*document, error) {
	d := &document{file: file, uid: uid, all: map[string]json.RawMessage{}, Auths: map[string]json.RawMessage{}}
	b, err := readOwn(file, uid)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, fileError("reading "+file, err)
	}
	if len(b) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(b, &d.all); err != nil || d.all == nil {
		return nil, damaged(file)
	}
	if auths := d.all["auths"]; auths != nil {
		if err := json.Unmarshal(auths, &d.Auths); err != nil {
			return nil, damaged(file)
		}
		if d.Auths == nil { // "auths": null
			d.Auths = map[string]json.RawMessage{}
		}
	}
	return d, nil
}

func damaged(file string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, What: "reading " + file, Why: "it isn't the JSON that its owner writes", Remedy: "mend it, or move it away"}
}

// helper is the credential helper that Docker asks for the key, "" if it reads the file.
func (d *document) helper(key string) (string, error) {
	name := ""
	if raw := d.all["credsStore"]; raw != nil {
		if err := json.Unmarshal(raw, &name); err != nil {
			return "", damaged(d.file)
		}
	}
	if raw := d.all["credHelpers"]; raw != nil {
		own := map[string]string{}
		if err := json.Unmarshal(raw, &own); err != nil {
			return "", damaged(d.file)
		}
		if h, ok := own[key]; ok {
			name = h
		}
	}
	if strings.ContainsAny(name, "/\\\x00") {
		return "", damaged(d.file)
	}
	return name, nil
}

// write replaces the file: whoever reads it meanwhile sees the old one or the new one.
func (d *document) write() error {
	if len(d.Auths) == 0 {
		delete(d.all, "auths")
	} else {
		auths, err := json.Marshal(d.Auths)
		if err != nil {
			return fileError("writing "+d.file, err)
		}
		d.all["auths"] = auths
	}
	b, err := json.MarshalIndent(d.all, "", "\t")
	if err != nil {
		return fileError("writing "+d.file, err)
	}
	if err := writeOwn(d.file, append(b, '\n'), d.uid); err != nil {
		return fileError("writing "+d.file, err)
	}
	return nil
}

var errNotOwn = errors.New("it isn't a file of yours alone: it is a link, or others own it or may write in its directory")

func fileError(what string, err error) error {
	if _, ok := errors.AsType[*fairlead.Error](err); ok {
		return err
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: what, Why: err.Error(), Remedy: "look at the file and its directory"}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		e.Why = p.Err.Error()
	}
	if errors.Is(err, errNotOwn) {
		e.Kind, e.Remedy = fairlead.Invalid, "name a file in a directory of yours, with DOCKER_CONFIG, REGISTRY_AUTH_FILE or HELM_REGISTRY_CONFIG"
	}
	return e
}

// ownRoot opens the directory of a file, which nobody else may write in: else somebody
// could put a link in the file's place between two looks at it.
func ownRoot(file string, uid int) (*os.Root, error) {
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err == nil && !own(info, uid, 0o022) {
		err = errNotOwn
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return root, nil
}

// own reports whether a file is the user's (or the system's), and its mode has none of the
// forbidden bits.
func own(info fs.FileInfo, uid int, forbidden fs.FileMode) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == uid || st.Uid == 0) && info.Mode().Perm()&forbidden == 0
}

// checkOwn refuses what is there in a file's place and isn't a file of the user's.
func checkOwn(root *os.Root, name string, uid int) error {
	info, err := root.Lstat(name)
	if err == nil && (!info.Mode().IsRegular() || !own(info, uid, 0o002)) {
		err = errNotOwn
	}
	return err
}

func readOwn(file string, uid int) ([]byte, error) {
	root, err := ownRoot(file, uid)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	name := filepath.Base(file)
	if err := checkOwn(root, name, uid); err != nil {
		return nil, err
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(b) > maxDocument {
		err = fmt.Errorf("it is larger than %d MiB", maxDocument>>20)
	}
	return b, err
}

// writeOwn writes a file that only its user may read, in one step.
func writeOwn(file string, b []byte, uid int) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	root, err := ownRoot(file, uid)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	name := filepath.Base(file)
	if err := checkOwn(root, name, uid); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temporary := "." + name + "-" + rand.Text()
	f, err := root.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return nil
}
