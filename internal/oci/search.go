package oci

import (
	"context"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
)

// search finds the image for a platform in an index.
type search struct {
	*pull
	want   Platform
	opened int      // entries of indexes
	there  []string // the platforms that were seen
}

// candidate is an entry of an index that may be it.
type candidate struct {
	ocispec.Descriptor
	rank int // as [Platform.rank]; after all of these: unknown
}

// unsaid ranks an entry that doesn't say what it is for: after those that do.
const unsaid = 1 << 10

// found is an image's manifest with its config. Zero is nothing.
type found struct {
	manifest
	config ocispec.Image
	raw    []byte // of the config
}

func (s *search) run(ctx context.Context, index manifest) (found, error) {
	f, err := s.index(ctx, index.doc.Manifests)
	if err == nil && f.manifest.raw == nil {
		err = s.noPlatform(s.want, s.there)
	}
	return f, err
}

// index opens the entries of an index, best first, until one is for the platform.
func (s *search) index(ctx context.Context, entries []ocispec.Descriptor) (found, error) {
	for _, e := range s.candidates(entries) {
		if s.opened++; s.opened > maxOpened {
			return found{}, unreachable(s.what, s.resource.Host, unsupported("too many indexes inside of each other"), s.c.now())
		}
		f, err := s.open(ctx, e)
		if err != nil || f.manifest.raw != nil {
			return f, err
		}
	}
	return found{}, nil
}

// open opens one entry, which may be an index again.
func (s *search) open(ctx context.Context, e candidate) (found, error) {
	m, err := s.manifest(ctx, string(e.Digest), fairlead.Digest(e.Digest))
	if err != nil {
		return found{}, err
	}
	if isIndexType(m.MediaType) {
		return s.index(ctx, m.doc.Manifests)
	}
	c, raw, err := s.config(ctx, m)
	if e.rank == unsaid {
		switch {
		case fairlead.CodeOf(err) == fairlead.CodeUnsupportedImage:
			return found{}, nil // not a container image
		case err == nil && !fits(c, s.want):
			s.there = append(s.there, platformOf(c).String())
			return found{}, nil
		}
	}
	if err != nil {
		return found{}, err
	}
	return found{m, c, raw}, nil
}

// candidates lists what is worth opening. Of what runs equally well, the first comes
// first.
func (s *search) candidates(entries []ocispec.Descriptor) []candidate {
	var list []candidate
	for _, e := range entries {
		switch {
		case isAttestation(e), isArtifact(e), e.MediaType != "" && !isManifestType(e.MediaType):
		case e.Platform == nil || e.Platform.OS == "" && e.Platform.Architecture == "":
			list = append(list, candidate{e, unsaid})
		default:
			at := Platform{e.Platform.OS, e.Platform.Architecture, e.Platform.Variant}
			s.there = append(s.there, at.String())
			if rank := s.want.rank(at); rank >= 0 {
				list = append(list, candidate{e, rank})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return a.rank - b.rank })
	return list
}
