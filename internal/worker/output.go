package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

// upload sends the files of the outputs directory. The command could have put anything
// there: only regular files are taken, and os.Root keeps links from leading out.
func (j *job) upload(ctx context.Context) error {
	j.hold.report(fairlead.Progress{Phase: fairlead.PhaseUpload})
	root, err := os.OpenRoot(j.outputsDir())
	if err != nil {
		return failed("opening "+j.outputsDir(), err)
	}
	defer func() { _ = root.Close() }()
	var count int
	var bytes int64
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			j.log.status("Output " + name + " is not a regular file and isn't kept.")
			return nil
		}
		size, err := j.uploadOne(ctx, root, name)
		count, bytes = count+1, bytes+size
		return err
	})
	if err != nil {
		return fairlead.AsError("keeping outputs", err)
	}
	if count > 0 {
		j.log.status(fmt.Sprintf("Outputs kept: %d (%d bytes).", count, bytes))
	}
	return nil
}

func (j *job) uploadOne(ctx context.Context, root *os.Root, name string) (int64, error) {
	f, err := root.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return 0, err
	}
	digest := fairlead.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
	return size, j.tell(ctx, func(ctx context.Context) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return client.Put(ctx, j.Client, wire.PutOutput, wire.HeldOutputPath{
			HeldPath: j.hold.path(), Name: filepath.ToSlash(name), Digest: digest, Size: size,
		}, io.NopCloser(io.LimitReader(f, size)), size)
	})
}
