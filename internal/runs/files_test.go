package runs_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/s3test"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

func (y *yard) putArchive(t *testing.T, c *client.Client, p wire.ProjectPath, d fairlead.Digest, body io.Reader) error {
	t.Helper()
	return client.Put(t.Context(), c, wire.PutArchive, wire.ArchivePath{ProjectPath: p, Digest: d}, body, -1)
}

// kept counts the files below the plane's blobs.
func (y *yard) kept(t *testing.T) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(y.Data, "blobs"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestArchives has two organizations: the bytes may be the same, the right to them is
// not.
func TestArchives(t *testing.T) {
	t.Parallel()
	testArchives(t, newYard(t))
}

// TestArchivesInBucket keeps them in S3 instead of on the disk.
func TestArchivesInBucket(t *testing.T) {
	t.Parallel()
	bucket := s3test.Start(t)
	y := newYard(t, func(o *server.Options) {
		o.Blobs = s3.Options{
			Location: "s3://" + bucket.Bucket + "/runs", Endpoint: bucket.URL,
			Login: s3.Login{AccessKey: s3test.AccessKey, SecretKey: fairlead.SecretText(s3test.SecretKey)},
		}
	})
	testArchives(t, y)
	if got := bucket.Objects(); len(got) != 1 || !strings.HasPrefix(got[0], "runs/sha256/") {
		t.Errorf("objects %v", got)
	}
	if strings.Contains(y.Log.String(), s3test.SecretKey) {
		t.Error("the log holds the secret key")
	}
}

func testArchives(t *testing.T, y *yard) {
	t.Helper()
	eve := y.Organization("evil", "eve")
	theirs := wire.ProjectPath{Owner: "evil", Project: "p"}
	fairleadtest.Must(t, eve, wire.CreateProject, wire.ProjectRequest{Owner: "evil", Name: "p"})
	d := digest("the code")
	if err := y.putArchive(t, y.Ann, path(), d, strings.NewReader("the code")); err != nil {
		t.Fatal(err)
	}
	withCode := func(p wire.ProjectPath) wire.RunRequest {
		return wire.RunRequest{ProjectPath: p, File: "- step:\n    name: train\n    image: busybox\n    command: echo\n", Step: "train", Archive: d}
	}
	for _, op := range []struct {
		name string
		do   func() error
	}{
		{"has", func() error {
			return do(t, eve, wire.HasArchive, wire.ArchivePath{ProjectPath: theirs, Digest: d})
		}},
		{"run", func() error { return do(t, eve, wire.CreateRun, withCode(theirs)) }},
		{"put without having it", func() error { return y.putArchive(t, eve, theirs, d, strings.NewReader("")) }},
		{"put something else", func() error { return y.putArchive(t, eve, theirs, d, strings.NewReader("the cod")) }},
	} {
		err := op.do()
		if kind := fairlead.KindOf(err); kind != fairlead.NotFound && fairlead.CodeOf(err) != fairlead.CodeDigest {
			t.Errorf("%s: %v (%s)", op.name, err, kind)
		}
	}
	if err := do(t, eve, wire.HasArchive, wire.ArchivePath{ProjectPath: theirs, Digest: d}); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("after all that evil has the archive: %v", err)
	}
	fairleadtest.Must(t, y.Ann, wire.CreateRun, withCode(path()))
	h := y.claim(t, y.one)
	body, size, err := client.Get(t.Context(), y.one, wire.GetHeldArchive, *h)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err = errors.Join(err, body.Close()); err != nil || string(got) != "the code" || size != 8 {
		t.Errorf("the worker got %q (%d), %v", got, size, err)
	}
}

// TestArchiveRefused puts what can't be kept: nothing of it stays.
func TestArchiveRefused(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	cut := io.MultiReader(strings.NewReader("half of"), iotest.ErrReader(errors.New("cut")))
	for _, row := range []struct {
		name   string
		digest fairlead.Digest
		body   io.Reader
		want   fairlead.Kind
	}{
		{"wrong digest", digest("a"), strings.NewReader("b"), fairlead.Invalid},
		{"no digest", "x", strings.NewReader("b"), fairlead.Invalid},
		{"digest of another algorithm", "md5:900150983cd24fb0d6963f7d28e17f72", strings.NewReader("abc"), fairlead.Invalid},
		{"upper case", fairlead.Digest(strings.ToUpper(string(digest("b")))), strings.NewReader("b"), fairlead.Invalid},
		{"way out", "sha256:../../../../etc/passwd", strings.NewReader("b"), fairlead.Invalid},
		{"cut", digest("half of it"), cut, fairlead.Unavailable}, // for the client; the server is gone from
	} {
		if err := y.putArchive(t, y.Ann, path(), row.digest, row.body); fairlead.KindOf(err) != row.want {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	waitFor(t, func() bool { return y.kept(t) == 0 })
}

// waitFor waits until something is so; the test's deadline ends it.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for !so() {
		if t.Context().Err() != nil {
			t.Fatal("it never came to be so")
		}
	}
}

// TestDiskFull keeps blobs on a disk that is too small.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	data := t.TempDir()
	blobs := filepath.Join(data, "blobs")
	if err := os.Mkdir(blobs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", blobs, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no disk can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(blobs, unix.MNT_DETACH) })
	y := newYard(t, fairleadtest.WithData(data))
	big := make([]byte, 4<<20)
	_, _ = rand.Read(big)
	err := y.putArchive(t, y.Ann, path(), digest(string(big)), bytes.NewReader(big))
	if e := fairlead.AsError("", err); e.Kind != fairlead.Unavailable || !strings.Contains(e.Remedy, "make room") {
		t.Errorf("on a full disk: %v (%s)", err, e.Remedy)
	}
	waitFor(t, func() bool { return y.kept(t) == 0 })
	if err := y.putArchive(t, y.Ann, path(), digest("small"), strings.NewReader("small")); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// TestOutputNames puts outputs of all sorts of names.
func TestOutputNames(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	h := y.claim(t, y.one)
	put := func(name, body string) error {
		return client.Put(t.Context(), y.one, wire.PutOutput, wire.HeldOutputPath{HeldPath: *h, Name: name, Digest: digest(body), Size: int64(len(body))}, strings.NewReader(body), int64(len(body)))
	}
	good := []string{"model.pkl", "dir/sub/model.pkl", "häßlich 模型.pkl", "with space", "a+b%20c?d#e", "..hidden", "trailing.", "...", `back\slash`}
	for _, name := range good {
		if err := put(name, name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"..", ".", "../x", "a/../../x", "a/../x", "a/./x", "/etc/passwd", "//x", "a//b", "a/", "", strings.Repeat("x", 2000), "nul\x00", "line\nbreak", "bad\xff"} {
		if err := put(name, "bad"); err == nil {
			t.Errorf("%q was kept", name)
		}
	}
	if err := put("model.pkl", "again"); err != nil {
		t.Errorf("the same name twice: %v", err)
	}
	got := map[string]string{}
	for _, o := range fairleadtest.Must(t, y.Ann, wire.ListOutputs, wire.RunPath{ProjectPath: path(), Number: run.Number}).Outputs {
		body, size, err := client.Get(t.Context(), y.Ann, wire.GetOutput, wire.OutputPath{RunPath: wire.RunPath{ProjectPath: path(), Number: run.Number}, Name: o.Name})
		if err != nil {
			t.Errorf("%q: %v", o.Name, err)
			continue
		}
		b, err := io.ReadAll(body)
		if err = errors.Join(err, body.Close()); err != nil || size != o.Size || digest(string(b)) != o.Digest {
			t.Errorf("%q: %d bytes, %v", o.Name, size, err)
		}
		got[o.Name] = string(b)
	}
	want := map[string]string{"model.pkl": "again"}
	for _, name := range good[1:] {
		want[name] = name
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// TestOutputsAreNoPages shows that a browser takes an output for bytes to save.
func TestOutputsAreNoPages(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	run := y.queue(t)
	h := y.claim(t, y.one)
	page := "<script>alert(1)</script>"
	out := wire.HeldOutputPath{HeldPath: *h, Name: "page.html", Digest: digest(page), Size: 1 << 40} // the size isn't believed
	if err := client.Put(t.Context(), y.one, wire.PutOutput, out, strings.NewReader(page), int64(len(page))); err != nil {
		t.Fatal(err)
	}
	var header http.Header
	c := y.tapped(t, func(r *http.Response) { header = r.Header })
	body, size, err := client.Get(t.Context(), c, wire.GetOutput, wire.OutputPath{RunPath: wire.RunPath{ProjectPath: path(), Number: run.Number}, Name: "page.html"})
	if err != nil || size != int64(len(page)) {
		t.Fatal(size, err)
	}
	_ = body.Close()
	for name, want := range map[string]string{"Content-Type": "application/octet-stream", "Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"} {
		if got := header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

type tapping struct{ see func(*http.Response) }

func (p tapping) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		p.see(resp)
	}
	return resp, err
}

// tapped gives ann's client with a look at the replies.
func (y *yard) tapped(t *testing.T, see func(*http.Response)) *client.Client {
	t.Helper()
	s := fairleadtest.Must(t, y.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: wire.Clear{Secret: fairlead.SecretText(fairleadtest.Password)}})
	c, err := client.New(y.URL, client.WithToken(s.Token.Secret), client.WithTransport(tapping{see}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDirectOutputNames asks the floor below the door, which no router has tidied.
func TestDirectOutputNames(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.queue(t)
	h := y.claim(t, y.one)
	workers, err := y.Store.WorkersOf(t.Context(), mustOrg(t, y))
	if err != nil {
		t.Fatal(err)
	}
	who := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: string(workers[0].ID)}, Only: mustOrg(t, y)}
	for _, name := range []string{"..", "../x", "a/../../x", "/x", "a/../x", "", ".", "a//b", "nul\x00", "line\nbreak", "bad\xff", "bell\a"} {
		err := y.Runs.PutOutput(context.WithoutCancel(t.Context()), who, h.Run, h.Fence, fairlead.Output{Name: name, Digest: digest("x")}, strings.NewReader("x"))
		if fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func mustOrg(t *testing.T, y *yard) fairlead.OrganizationID {
	t.Helper()
	return fairleadtest.Must(t, y.Ann, wire.ShowOrganization, wire.OrganizationPath{Organization: "acme"}).ID
}
