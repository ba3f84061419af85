package layers

import "fairlead.dev/fairlead"

// Waiters is how many wait for a layer that is being fetched.
func Waiters(s *Store, d fairlead.Digest) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[d]; f != nil {
		return f.waiters
	}
	return 0
}
