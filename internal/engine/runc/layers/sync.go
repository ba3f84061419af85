package layers

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// syncLater has the file system synced some time after the last layer came.
func (s *Store) syncLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.timer != nil {
		s.timer.Reset(s.after)
		return
	}
	s.timer = time.AfterFunc(s.after, func() {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		s.work.Add(1)
		s.mu.Unlock()
		defer s.work.Done()
		_ = s.Sync() // without it layers last until the machine's next start
	})
}

func syncFS(d *os.File) error { return unix.Syncfs(int(d.Fd())) }
