package pyimage

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func architecture() string { return runtime.GOARCH }

// packed downloads packages and puts what is in them into one layer.
func packed(ctx context.Context, dir string, names []string) (v1.Layer, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := command(ctx, dir, "apt-get", append([]string{"download", "-q"}, names...)...); err != nil {
		return nil, fmt.Errorf("%w (run apt-get update, then try again)", err)
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) == 0 {
		return nil, errors.Join(err, errors.New("apt-get downloaded nothing"))
	}
	file := dir + ".tar"
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	m := &merger{to: tar.NewWriter(out), seen: map[string]bool{}}
	err = m.skeleton()
	for _, deb := range debs {
		if err == nil {
			err = m.add(ctx, deb)
		}
	}
	if err == nil && strings.Contains(strings.Join(names, " "), "python3") {
		err = m.link("usr/bin/python", "python3.11")
	}
	if err := errors.Join(err, m.to.Close(), out.Close()); err != nil {
		return nil, err
	}
	return tarball.LayerFromFile(file)
}

// merger writes the files of several packages as one archive.
type merger struct {
	to   *tar.Writer
	seen map[string]bool
}

// skeleton makes the directories that Debian's base-files would: /bin and its like are
// links into /usr.
func (m *merger) skeleton() error {
	for _, dir := range []string{"usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "tmp", "root", "var", "proc", "sys", "dev"} {
		mode := int64(0o755)
		if dir == "tmp" {
			mode = 0o1777
		}
		if err := m.header(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: mode}); err != nil {
			return err
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := m.link(name, "usr/"+name); err != nil {
			return err
		}
	}
	const passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
	if err := m.header(&tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644, Size: int64(len(passwd))}); err != nil {
		return err
	}
	_, err := io.WriteString(m.to, passwd)
	return err
}

func (m *merger) link(name, target string) error {
	return m.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

func (m *merger) header(h *tar.Header) error {
	m.seen[strings.Trim(h.Name, "/")] = true
	return m.to.WriteHeader(h)
}

// add copies the files of one package.
func (m *merger) add(ctx context.Context, deb string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = m.copyAll(tar.NewReader(out))
	_, _ = io.Copy(io.Discard, out)
	return errors.Join(err, cmd.Wait())
}

func (m *merger) copyAll(from *tar.Reader) error {
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := merged(strings.TrimPrefix(h.Name, "./"))
		if clean := strings.Trim(name, "/"); clean == "" || m.seen[clean] || needlessFile(clean) {
			continue
		}
		h.Name = name
		if h.Typeflag == tar.TypeLink {
			h.Linkname = merged(strings.TrimPrefix(h.Linkname, "./"))
		}
		if err := m.header(h); err != nil {
			return err
		}
		if _, err := io.Copy(m.to, from); err != nil {
			return err
		}
	}
}

// merged puts what a package has below /bin and its like where the links lead.
func merged(name string) string {
	for _, top := range []string{"bin/", "sbin/", "lib/", "lib64/"} {
		if strings.HasPrefix(name, top) {
			return "usr/" + name
		}
	}
	return name
}

// needlessFile leaves out what no program reads.
func needlessFile(name string) bool {
	for _, dir := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/info", "usr/share/bug"} {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}
