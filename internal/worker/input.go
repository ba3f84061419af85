package worker

import (
	"context"
	"crypto/md5"  //nolint:gosec // A checksum that the step gives, not a safeguard.
	"crypto/sha1" //nolint:gosec // As above.
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"fairlead.dev/fairlead"
)

// Fetcher sends requests for inputs: an *http.Client.
type Fetcher interface {
	Do(req *http.Request) (*http.Response, error)
}

// fetchInputs downloads every input's files.
func (j *job) fetchInputs(ctx context.Context) error {
	root, err := os.OpenRoot(j.inputsDir())
	if err != nil {
		return failed("opening "+j.inputsDir(), err)
	}
	defer func() { _ = root.Close() }()
	for _, in := range j.run.Spec.Inputs {
		for _, f := range in.Files {
			j.log.status(fmt.Sprintf("Fetching input %s: %s", in.Name, shown(f.URL)))
			name := filepath.Join(in.Name, inputName(in, f))
			if err := j.tell(ctx, func(ctx context.Context) error { return j.fetchInput(ctx, root, name, f) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// shown is a URL without what may be a secret in it: user, password and query.
func shown(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "a URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// inputName is where below its input's directory a file goes.
func inputName(in fairlead.Input, f fairlead.InputFile) string {
	u, err := url.Parse(f.URL)
	if err != nil {
		return f.Name
	}
	name := f.Name
	if name == "" {
		name = path.Base(path.Clean("/" + u.Path))
	}
	if name == "/" || name == "." {
		name = "file"
	}
	if in.Directories == "full" {
		return filepath.Join(filepath.FromSlash(path.Dir(path.Clean("/"+u.Path))), name)
	}
	return name
}

func (j *job) fetchInput(ctx context.Context, root *os.Root, name string, f fairlead.InputFile) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return inputError(f, "its URL can't be used")
	}
	resp, err := j.Fetch.Do(req)
	if err != nil {
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeInput, What: "fetching input " + shown(f.URL), Why: innermost(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError:
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeInput, What: "fetching input " + shown(f.URL), Why: "the server answered " + resp.Status}
	case resp.StatusCode != http.StatusOK:
		return inputError(f, "the server answered "+resp.Status)
	}
	return save(root, name, f, resp.Body)
}

// save writes a file and compares its checksums on the way.
func save(root *os.Root, name string, f fairlead.InputFile, body io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return failed("writing input "+name, err)
	}
	out, err := root.Create(name)
	if err != nil {
		return failed("writing input "+name, err)
	}
	sums := map[string]hash.Hash{}
	writers := []io.Writer{out}
	for algorithm := range f.Checksums {
		h, err := newHash(algorithm)
		if err != nil {
			_ = out.Close()
			return inputError(f, err.Error())
		}
		sums[algorithm] = h
		writers = append(writers, h)
	}
	_, err = io.Copy(io.MultiWriter(writers...), body)
	if err = errors.Join(err, out.Chmod(0o666), out.Close()); err != nil {
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeInput, What: "fetching input " + shown(f.URL), Why: innermost(err)}
	}
	for algorithm, want := range f.Checksums {
		if got := hex.EncodeToString(sums[algorithm].Sum(nil)); !strings.EqualFold(got, want) {
			return inputError(f, fmt.Sprintf("its %s is %s, and the step says %s", algorithm, got, fairlead.Clip(want)))
		}
	}
	return nil
}

func newHash(algorithm string) (hash.Hash, error) {
	switch algorithm {
	case "md5":
		return md5.New(), nil //nolint:gosec // See the import.
	case "sha1":
		return sha1.New(), nil //nolint:gosec // See the import.
	case "sha256":
		return sha256.New(), nil
	case "sha512":
		return sha512.New(), nil
	default:
		return nil, fmt.Errorf("there is no checksum algorithm %s", fairlead.Clip(algorithm))
	}
}

func inputError(f fairlead.InputFile, why string) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeInput, What: "fetching input " + shown(f.URL), Why: why, Remedy: "correct the input's URL or checksum",
	}
}

func innermost(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// inputsConfig is what inputs.json says: each input's files, with sizes and checksums.
func (j *job) inputsConfig() (map[string]any, error) {
	all := map[string]any{}
	for _, in := range j.run.Spec.Inputs {
		files := []map[string]any{}
		for _, f := range in.Files {
			name := inputName(in, f)
			described, err := describe(filepath.Join(j.inputsDir(), in.Name, name))
			if err != nil {
				return nil, failed("reading input "+name, err)
			}
			described["name"], described["path"], described["uri"] = filepath.Base(name), path.Join(inputsPath, in.Name, filepath.ToSlash(name)), f.URL
			described["metadata"] = []any{}
			files = append(files, described)
		}
		all[in.Name] = map[string]any{"files": files}
	}
	return all, nil
}

func describe(file string) (map[string]any, error) {
	f, err := os.Open(file) //nolint:gosec // A file that the worker wrote.
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	m, s1, s256 := md5.New(), sha1.New(), sha256.New() //nolint:gosec // See the import.
	size, err := io.Copy(io.MultiWriter(m, s1, s256), f)
	return map[string]any{"size": size, "checksums": map[string]string{
		"md5": hex.EncodeToString(m.Sum(nil)), "sha1": hex.EncodeToString(s1.Sum(nil)), "sha256": hex.EncodeToString(s256.Sum(nil)),
	}}, err
}
