package layers

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

const (
	recordName = "layer.json"
	syncedName = "synced"
	treeName   = "fs"
)

// record is what stands beside a layer's files.
type record struct {
	Digest fairlead.Digest `json:"digest"`
	DiffID fairlead.Digest `json:"diff_id"`
	Boot   string          `json:"boot"`
	Tree
}

func dirName(d fairlead.Digest) string { return strings.Replace(string(d), ":", "-", 1) }

// read finds the layers that are complete, and removes everything else.
func (s *Store) read() error {
	list, err := os.ReadDir(s.path("layers"))
	if err != nil {
		return err
	}
	for _, e := range list {
		dir := s.path("layers", e.Name())
		k, ok := s.readOne(dir, e.Name())
		if ok {
			s.layers[k.Digest] = k
			s.total += k.Bytes
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) readOne(dir, name string) (*kept, bool) {
	file := filepath.Join(dir, recordName)
	b, err := os.ReadFile(file) //nolint:gosec // The store's own.
	if err != nil {
		return nil, false
	}
	info, err := os.Stat(file)
	var r record
	if err != nil || json.Unmarshal(b, &r) != nil || dirName(r.Digest) != name || ref.CheckDigest(string(r.Digest)) != nil {
		return nil, false
	}
	_, err = os.Stat(filepath.Join(dir, syncedName))
	synced := err == nil
	if !synced && r.Boot != s.boot {
		return nil, false
	}
	return &kept{
		Layer: Layer{Want: Want{r.Digest, r.DiffID}, Tree: r.Tree, Dir: filepath.Join(dir, treeName)}, last: info.ModTime(), synced: synced,
	}, true
}

// keep makes a layer of what was unpacked below dir.
func (s *Store) keep(dir string, w Want, t Tree) (*kept, error) {
	b, err := json.Marshal(record{Digest: w.Digest, DiffID: w.DiffID, Boot: s.boot, Tree: t})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, recordName), b, 0o600); err != nil {
		return nil, err
	}
	to := s.path("layers", dirName(w.Digest))
	if err := os.Rename(dir, to); err != nil {
		return nil, err
	}
	return &kept{Layer: Layer{Want: w, Tree: t, Dir: filepath.Join(to, treeName)}, last: s.now()}, nil
}

// mark says of layers that the disk has them.
func (s *Store) mark(list []*kept) {
	for _, k := range list {
		s.mu.Lock()
		if s.layers[k.Digest] == k && os.WriteFile(filepath.Join(filepath.Dir(k.Dir), syncedName), nil, 0o600) == nil {
			k.synced = true
		}
		s.mu.Unlock()
	}
}

// unsynced lists layers of which the disk may not have all.
func (s *Store) unsynced() []*kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*kept
	for _, k := range s.layers {
		if !k.synced {
			list = append(list, k)
		}
	}
	return list
}

// Sync has the disk take all layers that are complete.
func (s *Store) Sync() error {
	list := s.unsynced()
	if len(list) == 0 {
		return nil
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	err = syncFS(d)
	if err == nil {
		s.mark(list)
	}
	return errors.Join(err, d.Close())
}
