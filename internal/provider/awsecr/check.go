package awsecr

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
)

// role is a role's ARN, read.
type role struct{ arn, partition, account, path, name string }

var (
	roleForm = regexp.MustCompile(`^arn:(aws(?:-[a-z]+)*):iam::([0-9]{12}):role/((?:[!-~]+/)*[\w+=,.@-]{1,64})$`)
	// keyForm is of an access key ID (IAM User Guide, "IAM identifiers": the prefix says
	// what it is of).
	keyForm      = regexp.MustCompile(`^(AKIA|ASIA)[A-Z2-7]{16}$`)
	externalForm = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
)

// maxExternal is the longest external ID (STS API reference, AssumeRole).
const maxExternal = 1224

// parseRole reads a role's ARN.
func parseRole(s string) (role, bool) {
	m := roleForm.FindStringSubmatch(s)
	if m == nil || len(s) > 2048 {
		return role{}, false
	}
	if _, ok := partitionNamed(m[1]); !ok {
		return role{}, false
	}
	end := strings.LastIndexByte(m[3], '/') + 1
	return role{arn: s, partition: m[1], account: m[2], path: "/" + m[3][:end], name: m[3][end:]}, true
}

// Check says what is wrong with the public fields.
func (Provider) Check(method string, public map[string]string) error {
	for _, check := range []func(string, map[string]string) error{checkRole, checkExternal, checkSource, checkKey} {
		if err := check(method, public); err != nil {
			return err
		}
	}
	_, err := readRegions(public[regionsField])
	return err
}

func bad(field, why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "reading " + field, Why: why, Remedy: remedy}
}

func checkRole(_ string, public map[string]string) error {
	s, given := public[roleField]
	if _, ok := parseRole(s); ok || !given || s == "" {
		return nil
	}
	shown := quoted(s)
	if !strings.HasPrefix(s, "arn:") {
		shown = fmt.Sprintf("what was given (%d characters)", len(s)) // It may be a secret that went into the wrong field.
	}
	why, remedy := shown+" is not the ARN of a role", "copy the role's ARN from the IAM console; it looks like arn:aws:iam::123456789012:role/fairlead"
	switch {
	case strings.Contains(s, ":user/"):
		why = quoted(s) + " is the ARN of a user, and only roles can be assumed"
	case strings.Contains(s, ":assumed-role/"):
		why = quoted(s) + " is the ARN of a role's session"
		remedy = "give the ARN of the role itself, which has iam and role/ in it"
	case strings.Contains(s, ":instance-profile/"):
		why = quoted(s) + " is the ARN of an instance profile"
		remedy = "give the ARN of the role that is in it"
	}
	return bad(roleField, why, remedy)
}

func checkExternal(_ string, public map[string]string) error {
	s := public[externalField]
	if s == "" || externalForm.MatchString(s) && len(s) <= maxExternal {
		return nil
	}
	return bad(externalField, quoted(s)+" can't be an external ID", fmt.Sprintf("use 2 to %d letters, digits and + = , . @ : / -", maxExternal))
}

// checkSource has the key given where it is used, and only there.
func checkSource(method string, public map[string]string) error {
	switch {
	case method != assumeRole:
	case public[sourceField] == sourceKeys && public[keyField] == "":
		return bad(keyField, "the role is to be assumed with a user's keys, and there are none", "give --access-key-id and --secret-access-key-file")
	case public[sourceField] == sourceInstance && public[keyField] != "":
		return bad(keyField, "the role is to be assumed by the server's own instance, and there are keys beside", "leave the keys out, or use --source keys")
	}
	return nil
}

func checkKey(method string, public map[string]string) error {
	s := public[keyField]
	want := "AKIA"
	if method == sessionToken {
		want = "ASIA"
	}
	switch m := keyForm.FindStringSubmatch(s); {
	case s == "", m != nil && m[1] == want:
		return nil
	case m != nil && want == "AKIA":
		return bad(keyField, s+" is a temporary key, which needs its session token beside it", "use method session-token, or give the key of an IAM user, which begins with AKIA")
	case m != nil:
		return bad(keyField, s+" is the key of an IAM user, which has no session token", "use method secret-key")
	case len(s) == secretLength && secretForm.MatchString(s):
		return bad(keyField, "that has the form of a secret access key", "give the access key ID here, and the secret access key in its own field; and make a new key, since this one was shown")
	default:
		// It isn't shown: it may be a secret that went into the wrong field.
		return bad(keyField, fmt.Sprintf("what was given (%d characters) is not an access key ID", len(s)), "copy it from the IAM console: "+want+" and 16 more capital letters and digits")
	}
}

// keyAccount gives the account that an access key ID is of, which it says since 2019:
// AWS answers the same to sts:GetAccessKeyInfo. ok is false for older keys, which begin
// with AKIAI or AKIAJ.
func keyAccount(id string) (account string, ok bool) {
	if !keyForm.MatchString(id) || id[4] < 'Q' && id[4] >= 'A' {
		return "", false
	}
	b, err := base32.StdEncoding.DecodeString(id[4:])
	if err != nil || len(b) < 6 {
		return "", false
	}
	number := binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...)) & 0x7fffffffff80 >> 7
	if number >= 1e12 {
		return "", false
	}
	return fmt.Sprintf("%012d", number), true
}

// maxRegions bounds how many regions one listing asks.
const maxRegions = 40

// readRegions reads the regions of a connector; nil if there are none.
func readRegions(s string) ([]string, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var names []string
	for part := range strings.SplitSeq(s, ",") {
		name := strings.TrimSpace(part)
		if !regionForm.MatchString(name) {
			return nil, bad(regionsField, quoted(name)+" is not the name of a region", "write names with commas between, such as eu-west-1, us-east-1")
		}
		if len(names) > 0 && partitionOf(name).id != partitionOf(names[0]).id {
			return nil, bad(regionsField, names[0]+" and "+name+" are of two partitions, and no identity of AWS is in both", "make a connector for each partition")
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > maxRegions {
		return nil, bad(regionsField, fmt.Sprintf("%d regions are too many", len(names)), fmt.Sprintf("give at most %d", maxRegions))
	}
	return names, nil
}
