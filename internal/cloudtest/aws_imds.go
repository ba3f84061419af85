package cloudtest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// awsInstance is the one instance whose metadata service is there.
type awsInstance struct {
	role   *awsRole
	region string
	tokens map[string]time.Time // until when they are good
	key    *awsKey
}

// Instance puts an instance there with a role (an ARN; empty is none).
func (a *AWS) Instance(region, role string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.instance = &awsInstance{region: region, tokens: map[string]time.Time{}}
	for _, account := range a.accounts {
		if r, ok := account.roles[role]; ok {
			a.instance.role = r
		}
	}
}

// awsInstanceLife is how long an instance's keys live.
const awsInstanceLife = 6 * time.Hour

// serveIMDS is the instance metadata service, version 2 alone (EC2 User Guide, "Use the
// Instance Metadata Service to access instance metadata").
func (a *AWS) serveIMDS(w http.ResponseWriter, req *http.Request) {
	a.mu.Lock()
	i, hopless := a.instance, a.knobs.NoHops
	a.mu.Unlock()
	if i == nil || hopless && req.Method == http.MethodPut {
		// There is no answer: nothing is there, or its packets end on the way.
		select {
		case <-req.Context().Done():
		case <-a.net.done:
		}
		panic(http.ErrAbortHandler)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Server", "EC2ws")
	if req.URL.Path == "/latest/api/token" {
		i.token(w, req, a.net.Now())
		return
	}
	if until, ok := i.tokens[req.Header.Get("X-Aws-Ec2-Metadata-Token")]; !ok || !a.net.Now().Before(until) {
		http.Error(w, "401 - Unauthorized", http.StatusUnauthorized)
		return
	}
	const credentials = "/latest/meta-data/iam/security-credentials/"
	switch path := req.URL.Path; {
	case req.Method != http.MethodGet:
		http.Error(w, "405 - Method Not Allowed", http.StatusMethodNotAllowed)
	case path == "/latest/meta-data/placement/region":
		_, _ = w.Write([]byte(i.region))
	case i.role == nil || !strings.HasPrefix(path, credentials):
		http.Error(w, "404 - Not Found", http.StatusNotFound)
	case path == credentials:
		_, _ = w.Write([]byte(i.roleName()))
	case path == credentials+i.roleName():
		a.instanceKeys(w, i)
	default:
		http.Error(w, "404 - Not Found", http.StatusNotFound)
	}
}

func (i *awsInstance) roleName() string { return i.role.arn[strings.LastIndexByte(i.role.arn, '/')+1:] }

func (i *awsInstance) token(w http.ResponseWriter, req *http.Request, now time.Time) {
	const header = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	seconds, err := strconv.Atoi(req.Header.Get(header))
	switch {
	case req.Method != http.MethodPut:
		http.Error(w, "405 - Method Not Allowed", http.StatusMethodNotAllowed)
	case req.Header.Get("X-Forwarded-For") != "":
		http.Error(w, "403 - Forbidden", http.StatusForbidden)
	case err != nil || seconds < 1 || seconds > 21600:
		http.Error(w, "400 - Bad Request", http.StatusBadRequest)
	default:
		token := rand.Text()
		i.tokens[token] = now.Add(time.Duration(seconds) * time.Second)
		w.Header().Set(header, strconv.Itoa(seconds))
		_, _ = w.Write([]byte(token))
	}
}

func (a *AWS) instanceKeys(w http.ResponseWriter, i *awsInstance) {
	if i.key == nil || !a.net.Now().Before(i.key.expires.Add(-5*time.Minute)) {
		i.key = a.session(i.role, "i-0123456789abcdef0", nil, awsInstanceLife)
	}
	w.Header().Set("Content-Type", "text/plain")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"Code": "Success", "LastUpdated": a.net.Now().UTC().Format(time.RFC3339), "Type": "AWS-HMAC",
		"AccessKeyId": i.key.ID, "SecretAccessKey": i.key.Secret, "Token": i.key.Token, "Expiration": i.key.expires.UTC().Format(time.RFC3339),
	})
}
