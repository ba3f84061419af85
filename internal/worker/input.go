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
	"time"

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
			if err := j.fetchInput(ctx, root, name, f); err != nil {
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

// fetchInput downloads one file. A failure that may pass is tried again with growing
// pauses: from where the download was cut if the server can do that, else from the
// beginning. Each byte more counts as a new beginning; without one it gives up.
func (j *job) fetchInput(ctx context.Context, root *os.Root, name string, f fairlead.InputFile) error {
	d, err := newDownload(root, name, f)
	if err != nil {
		return err
	}
	defer func() { _ = d.out.Close() }()
	for try := 1; ; try++ {
		before := d.most
		err := d.fetch(ctx, j.Fetch)
		if err == nil {
			return d.finish()
		}
		if d.most > before {
			try = 1
		}
		wait, again := j.again(err, try)
		if !again || ctx.Err() != nil {
			return err
		}
		j.log.status(fmt.Sprintf("%s. Trying again in %s.", err, wait.Round(time.Second)))
		j.Wait(ctx, wait)
	}
}

// download is one file on its way.
type download struct {
	file fairlead.InputFile
	name string
	out  *os.File
	sums map[string]hash.Hash
	// done is what of it is there; most is the most that ever was.
	done, most int64
	// tag is the validator (RFC 9110, section 8.8) of what is there; empty if the
	// server gave none by which a rest can be asked for.
	tag string
}

func newDownload(root *os.Root, name string, f fairlead.InputFile) (*download, error) {
	d := &download{file: f, name: name, sums: map[string]hash.Hash{}}
	for algorithm := range f.Checksums {
		h, err := newHash(algorithm)
		if err != nil {
			return nil, inputError(f, err.Error())
		}
		d.sums[algorithm] = h
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, failed("writing input "+name, err)
	}
	out, err := root.Create(name)
	if err != nil {
		return nil, failed("writing input "+name, err)
	}
	d.out = out
	return d, nil
}

// fetch asks for the file, or for the rest of it, and adds what comes.
func (d *download) fetch(ctx context.Context, fetcher Fetcher) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.file.URL, nil)
	if err != nil {
		return inputError(d.file, "its URL can't be used")
	}
	// What a server packs by itself would be unpacked on the way, and couldn't be
	// resumed or compared with a length.
	req.Header.Set("Accept-Encoding", "identity")
	if d.done > 0 && d.tag != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.done))
		req.Header.Set("If-Range", d.tag)
	}
	resp, err := fetcher.Do(req)
	if err != nil {
		return d.cut(innermost(err))
	}
	defer func() { _ = resp.Body.Close() }()
	if err := d.take(req, resp); err != nil {
		return err
	}
	writers := []io.Writer{d.out}
	for _, h := range d.sums {
		writers = append(writers, h)
	}
	n, err := io.Copy(io.MultiWriter(writers...), resp.Body)
	d.done += n
	d.most = max(d.most, d.done)
	if err != nil {
		if e, ok := errors.AsType[*os.PathError](err); ok {
			return failed("writing input "+d.name, e)
		}
		return d.cut(innermost(err))
	}
	return nil
}

// take reads the head of a reply, and makes room for what it brings.
func (d *download) take(req *http.Request, resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.done)) && req.Header.Get("Range") != "":
		return nil
	case resp.StatusCode == http.StatusOK:
		d.tag = validator(resp.Header)
		return d.restart()
	case resp.StatusCode == http.StatusPartialContent, resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		d.tag = "" // not again
		return d.cut("the server answered another range than was asked for")
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError:
		return d.cut("the server answered " + resp.Status)
	default:
		return inputError(d.file, "the server answered "+resp.Status)
	}
}

// validator gives a strong one, or none (RFC 9110, section 13.1.5).
func validator(h http.Header) string {
	tag := h.Get("ETag")
	if !strings.HasPrefix(tag, `"`) || h.Get("Accept-Ranges") == "none" {
		return ""
	}
	return tag
}

// restart forgets what is there.
func (d *download) restart() error {
	d.done = 0
	for _, h := range d.sums {
		h.Reset()
	}
	_, err := d.out.Seek(0, io.SeekStart)
	if err = errors.Join(err, d.out.Truncate(0)); err != nil {
		return failed("writing input "+d.name, err)
	}
	return nil
}

func (d *download) cut(why string) error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeInput, What: "fetching input " + shown(d.file.URL), Why: why,
		Remedy: "check that the worker's machine can reach the server, then run it again",
	}
}

// finish compares the checksums.
func (d *download) finish() error {
	if err := d.out.Chmod(0o666); err != nil {
		return failed("writing input "+d.name, err)
	}
	for algorithm, want := range d.file.Checksums {
		if got := hex.EncodeToString(d.sums[algorithm].Sum(nil)); !strings.EqualFold(got, want) {
			return inputError(d.file, fmt.Sprintf("its %s is %s, and the step says %s", algorithm, got, fairlead.Clip(want)))
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
