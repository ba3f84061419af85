package pattern

import (
	"strings"

	"fairlead.dev/fairlead/ref"
)

// Root is what stands before the pattern's first *, if that is a final /* or there is
// none: the repository, or the host, under which everything that the pattern covers
// lies. Other patterns have no such place.
func (p Pattern) Root() (string, bool) {
	base := strings.TrimSuffix("/"+p.path, "/*")
	if p.IsZero() || hasStar(p.host) || hasStar(base) {
		return "", false
	}
	return p.host + base, true
}

// CoversUnder reports whether the pattern covers images at or below a place that
// [ParsePlace] gave, whatever their tag.
func (p Pattern) CoversUnder(place string) bool {
	host, repository, _ := strings.Cut(place, "/")
	if p.IsZero() || !p.coversHost(host) {
		return false
	}
	return repository != "" && coversPath(p.path, repository) || coversPath(p.path, strings.TrimPrefix(repository+"/x", "/"))
}

// ParsePlace reads a host, or a repository with or without what is below it, in the form
// of image names: registry.example.com/team. Anything else is a [*ref.Error].
func ParsePlace(s string) (string, error) {
	s = strings.TrimSuffix(s, "/")
	image, err := ref.Parse(s + "/x/x") // two names, so that no library/ is filled in
	if err != nil {
		return "", err
	}
	return image.Host + strings.TrimSuffix("/"+image.Repository, "/x/x"), nil
}
