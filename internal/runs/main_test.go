package runs_test

import (
	"crypto/sha256"
	"encoding/hex"

	"fairlead.dev/fairlead"
)

func digest(s string) fairlead.Digest {
	sum := sha256.Sum256([]byte(s))
	return fairlead.Digest("sha256:" + hex.EncodeToString(sum[:]))
}
