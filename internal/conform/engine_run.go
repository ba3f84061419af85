package conform

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
)

// testOutput wants every byte of both streams, apart.
func testOutput(t *testing.T, s *shop) {
	t.Helper()
	const size = 6 << 20
	m := newMeeting(t)
	want := map[string]string{}
	for _, name := range []string{"out", "errs"} {
		b := make([]byte, size)
		_, _ = rand.Read(b)
		want[name] = string(b)
		if err := os.WriteFile(filepath.Join(m.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := s.container(`cat /meet/errs >&2 & cat /meet/out; wait`)
	c.Mounts = []engine.Mount{m.mount()}
	o := s.run(t.Context(), c)
	if o.err != nil || o.code != 0 {
		t.Fatalf("%d %v", o.code, o.err)
	}
	if o.out != want["out"] || o.errs != want["errs"] {
		t.Errorf("of %d bytes each, %d and %d came, or they aren't the same", size, len(o.out), len(o.errs))
	}
}

func testExitCode(t *testing.T, s *shop) {
	t.Helper()
	for _, row := range []struct {
		name, script string
		want         int
	}{
		{"well", "true", 0},
		{"badly", "exit 7", 7},
		{"the highest", "exit 255", 255},
		{"by a signal of its child's", "sh -c 'kill -KILL $$'; exit $?", 137},
		{"a program that isn't there", "nothing-of-that-name 2>/dev/null", 127},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if o := s.run(t.Context(), s.container(row.script)); o.err != nil || o.code != row.want {
				t.Errorf("%d %v\n%s", o.code, o.err, o.errs)
			}
		})
	}
}

// testArgs wants arguments as they are, without the image's entry point, and the program
// to be found by the image's PATH.
func testArgs(t *testing.T, s *shop) {
	t.Helper()
	image := s.image(t, func(c *v1.Config) {
		c.Env, c.Entrypoint, c.Cmd = []string{"PATH=/nowhere:/bin"}, []string{"/bin/false"}, []string{"unused"}
	})
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"as they are", []string{"printf", `%s\0`, "", " a  b ", "$HOME", "`id`", "line\nbreak", "ünï", `"'\`, "-n"}, "\x00 a  b \x00$HOME\x00`id`\x00line\nbreak\x00ünï\x00\"'\\\x00-n\x00"},
		{"only a program", []string{"pwd"}, "/\n"},
		{"a long one", []string{"printf", "%s", strings.Repeat("x", 100_000)}, strings.Repeat("x", 100_000)},
		{"standard input is empty", []string{"cat"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := engine.Container{ID: name(), Owner: s.owner, Image: image, Args: row.args}
			if diff := cmp.Diff(row.want, s.output(t, c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// testNoProgram wants an error that names what the image doesn't have.
func testNoProgram(t *testing.T, s *shop) {
	t.Helper()
	for _, program := range []string{"no-such-program", "/no/such/program", "/etc/passwd"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			o := s.run(t.Context(), engine.Container{ID: name(), Owner: s.owner, Image: s.base, Args: []string{program}})
			wantKind(t, o.err, fairlead.Unavailable, fairlead.CodeEngine)
			if o.err != nil && !strings.Contains(o.err.Error(), program) {
				t.Errorf("the error doesn't name the program: %v", o.err)
			}
		})
	}
}

func testEnv(t *testing.T, s *shop) {
	t.Helper()
	image := s.image(t, func(c *v1.Config) { c.Env = []string{"PATH=/bin", "A=image", "B=image", "EMPTY=", "EQUALS=a=b=c"} })
	plain := s.image(t, func(c *v1.Config) { c.Env = nil })
	for _, row := range []struct {
		name  string
		image engine.Pulled
		given []string
		want  []string
	}{
		{"the image's", image, nil, []string{"A=image", "B=image", "EMPTY=", "EQUALS=a=b=c", "HOME=/root", "PATH=/bin"}},
		{
			"given", image,
			[]string{"A=given", "C= x y ", "PATH=/usr/bin:/bin", "HOME=/elsewhere", "LAST=1", "LAST=2"},
			[]string{"A=given", "B=image", "C= x y ", "EMPTY=", "EQUALS=a=b=c", "HOME=/elsewhere", "LAST=2", "PATH=/usr/bin:/bin"},
		},
		{"none", plain, nil, []string{"HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := engine.Container{ID: name(), Owner: s.owner, Image: row.image, Args: []string{"/bin/env"}, Env: row.given}
			got := slices.DeleteFunc(strings.Split(strings.TrimSpace(s.output(t, c)), "\n"), func(v string) bool {
				return strings.HasPrefix(v, "HOSTNAME=") && v != "HOSTNAME="
			})
			slices.Sort(got)
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func testDir(t *testing.T, s *shop) {
	t.Helper()
	image := s.image(t, func(c *v1.Config) { c.WorkingDir, c.User = "/made/by/the image", "app" }, layer(t,
		symlink("link", "/etc/../tmp"), dir("closed").with(func(h *tar.Header) { h.Mode = 0o700 }),
	))
	for _, row := range []struct {
		name, dir, want string
		image           engine.Pulled
	}{
		{"none", "", "/", s.base},
		{"the image's", "", "/made/by/the image", image},
		{"given", "/tmp", "/tmp", image},
		{"made", "/a/b/c", "/a/b/c", s.base},
		{"by a link", "/link/deeper", "/tmp/deeper", image},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := s.container("pwd -P; stat -c '%U %a' .")
			c.Dir, c.Image = row.dir, row.image
			where, rest, _ := strings.Cut(s.output(t, c), "\n")
			if where != row.want {
				t.Errorf("it runs in %q, want %q", where, row.want)
			}
			if made := "root 755\n"; row.dir != "/tmp" && rest != made {
				t.Errorf("the directory is %q", rest)
			}
		})
	}
}

// testUser looks the user up by the rules of Docker.
func testUser(t *testing.T, s *shop) {
	t.Helper()
	for _, row := range []struct{ user, want string }{
		{"", "0 0 0 44 /root"},
		{"root", "0 0 0 44 /root"},
		{"app", "1000 1000 44 50 1000 /home/app"},
		{"1000", "1000 1000 44 50 1000 /home/app"},
		{"app:staff", "1000 50 50 /home/app"},
		{"1000:2000", "1000 2000 2000 /home/app"},
		{"app:0", "1000 0 0 /home/app"},
		{"bare", "1001 1000 1000 /nowhere"},
		{"4321", "4321 0 0 /"},
		{"4321:8765", "4321 8765 8765 /"},
	} {
		t.Run("user "+row.user, func(t *testing.T) {
			t.Parallel()
			c := s.container(`status() { sed -n "s/^$1://p" /proc/self/status; }
echo $(status Uid | cut -f2) $(status Gid | cut -f2) $( (status Groups; status Gid | cut -f2) | xargs -n1 | sort -nu) $HOME`)
			c.Image = s.image(t, func(c *v1.Config) { c.User = row.user })
			if got := strings.TrimSpace(s.output(t, c)); got != row.want {
				t.Errorf("it runs as %q, want %q", got, row.want)
			}
		})
	}
}

func testNoUser(t *testing.T, s *shop) {
	t.Helper()
	for _, user := range []string{"nobody-here", "app:no-group", "1000:no-group"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			c := s.container("true")
			c.Image = s.image(t, func(c *v1.Config) { c.User = user })
			o := s.run(t.Context(), c)
			wantKind(t, o.err, fairlead.Unavailable, fairlead.CodeEngine)
			if o.err != nil && !strings.Contains(o.err.Error(), "passwd") && !strings.Contains(o.err.Error(), "group") {
				t.Errorf("the error doesn't say what is missing: %v", o.err)
			}
		})
	}
}

func testMounts(t *testing.T, s *shop) {
	t.Helper()
	m := newMeeting(t)
	for name, text := range map[string]string{"file": "from outside", "other": "another"} {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fileAt := filepath.Join(m.dir, "file")
	image := s.image(t, func(*v1.Config) {}, layer(t, dir("data"), file("data/hidden", ""), file("over", "the image's"), symlink("link", "/linked"), dir("linked")))
	c := s.container(`
cd /
cat /rw/file /ro/file /new/deep/path/file /over /link/file /one
ls /data
echo inside >/rw/written
echo inside >/ro/written || echo refused
echo inside >/over || echo refused
echo inside >/data/both && rm /data/both`)
	c.Image = image
	c.Mounts = []engine.Mount{
		{Source: m.dir, Target: "/rw"},
		{Source: m.dir, Target: "/ro", ReadOnly: true},
		{Source: m.dir, Target: "/new/deep/path"},
		{Source: m.dir, Target: "/data"},
		{Source: fileAt, Target: "/over", ReadOnly: true},
		{Source: m.dir, Target: "/link"},
		{Source: fileAt, Target: "/one"},
	}
	o := s.run(t.Context(), c)
	want := strings.Repeat("from outside", 6) + "file\nother\nrefused\nrefused\n"
	if o.err != nil || o.code != 0 {
		t.Fatalf("%d %v\n%s", o.code, o.err, o.errs)
	}
	if diff := cmp.Diff(want, o.out); diff != "" {
		t.Error(diff, o.errs)
	}
	if b, err := os.ReadFile(filepath.Join(m.dir, "written")); err != nil || string(b) != "inside\n" {
		t.Errorf("%q %v", b, err)
	}
	if b, err := os.ReadFile(fileAt); err != nil || string(b) != "from outside" {
		t.Errorf("%q %v", b, err)
	}
}

// testNoSource wants an error, and no directory made for what isn't there.
func testNoSource(t *testing.T, s *shop) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "nothing")
	c := s.container("true")
	c.Mounts = []engine.Mount{{Source: source, Target: "/data"}}
	o := s.run(t.Context(), c)
	wantKind(t, o.err, fairlead.Unavailable, fairlead.CodeEngine)
	if o.err != nil && !strings.Contains(o.err.Error(), source) {
		t.Errorf("the error doesn't name %s: %v", source, o.err)
	}
	if _, err := os.Lstat(source); err == nil {
		t.Error("the engine made the source")
	}
}

func testCPUs(t *testing.T, s *shop) {
	t.Helper()
	for _, row := range []struct{ cpus, quota, cores string }{
		{"", "-1", ""},
		{"1", "100000", ""},
		{"0.5", "50000", ""},
		{"1.25", "125000", ""},
		{"100000", "-1", ""}, // more than there are is no limit
		{"0,0", "-1", "0"},
		{"0-0", "-1", "0"},
	} {
		t.Run("limit "+row.cpus, func(t *testing.T) {
			t.Parallel()
			// Of cgroups of version 2 the files are others.
			c := s.container(`
if [ -e /sys/fs/cgroup/cpu.max ]; then read quota period </sys/fs/cgroup/cpu.max; [ "$quota" = max ] && quota=-1
else quota=$(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us); period=$(cat /sys/fs/cgroup/cpu/cpu.cfs_period_us); fi
echo $quota $period $(sed -n 's/^Cpus_allowed_list://p' /proc/self/status)`)
			c.CPUs = row.cpus
			got := strings.Fields(s.output(t, c))
			if len(got) != 3 || got[0] != row.quota || got[1] != "100000" || row.cores != "" && got[2] != row.cores {
				t.Errorf("%q, want a quota of %s and the cores %s", got, row.quota, row.cores)
			}
		})
	}
}

func testBadCPUs(t *testing.T, s *shop) {
	t.Helper()
	for _, cpus := range []string{"x", "0", "0.001", "-1", "NaN", "Inf", "1e9", "0x10", "0,", ",0", "1-", "1-0", "0;1", " 1", "0,99999", "99998-99999", "2 cores", "99999999999999999999,1"} {
		t.Run("limit "+cpus, func(t *testing.T) {
			t.Parallel()
			c := s.container("true")
			c.CPUs = cpus
			o := s.run(t.Context(), c)
			wantKind(t, o.err, fairlead.Invalid, "")
			if e := fairlead.AsError("", o.err); o.err != nil && e.Field != "VH_CPU_LIMIT" {
				t.Errorf("the field is %q", e.Field)
			}
		})
	}
}

// testApart wants nothing of what one container writes to be seen by another.
func testApart(t *testing.T, s *shop) {
	t.Helper()
	script := `cat /etc/passwd | head -n 1; ls /tmp; rm -r /home; echo spoilt >/etc/passwd; echo >/tmp/left; chmod 0 /root; rm /bin/cat; mv /etc/group /etc/gone`
	first := s.output(t, s.container(script))
	second := s.output(t, s.container(script))
	if first != second || first != "root:x:0:0:root:/root:/bin/sh\n" {
		t.Errorf("%q, then %q", first, second)
	}
}

// testLostWriter wants a container to end when nobody takes its output any more.
func testLostWriter(t *testing.T, s *shop) {
	t.Helper()
	for _, row := range []struct {
		name, script string
	}{
		{"much", "yes"},
		{"a little", "echo a; exit 3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := s.container(row.script)
			c.Stdout, c.Stderr = lostWriter{}, &bytes.Buffer{}
			code, err := s.engine.Run(t.Context(), c)
			wantKind(t, err, fairlead.Unavailable, fairlead.CodeEngine)
			if err != nil && !strings.Contains(err.Error(), errLost.Error()) {
				t.Errorf("%d %v", code, err)
			}
		})
	}
}
