package server_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// TestDashboard reads Grafana's dashboard and Prometheus' rules: each expression is one,
// and what it names is in a scrape, with these labels.
func TestDashboard(t *testing.T) {
	t.Parallel()
	m := newMeasured(t)
	base := "/v2/" + strings.Replace(m.reg.Host(), ":", "__", 1) + "/team/app"
	_, _ = m.get(t, base+"/manifests/none", "Bearer "+m.token)
	got := m.scrape(t)
	n := 0
	for where, expr := range expressions(t) {
		n++
		e, err := parser.ParseExpr(plain(expr))
		if err != nil {
			t.Errorf("%s: %v in %s", where, err, expr)
			continue
		}
		parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
			if s, ok := node.(*parser.VectorSelector); ok {
				known(t, got, where, s)
			}
			return nil
		})
	}
	if n < 30 {
		t.Errorf("%d expressions, which can't be all", n)
	}
}

// fromPrometheus are names that Prometheus itself makes, and labels that it adds.
var fromPrometheus = regexp.MustCompile(`^(up|job|instance|__name__)$`)

// fromElsewhere is only there once a registry has said it.
var fromElsewhere = regexp.MustCompile(`^fairlead_gateway_pulls_(remaining|limit)$`)

func known(t *testing.T, got map[string]*dto.MetricFamily, where string, s *parser.VectorSelector) {
	t.Helper()
	name := s.Name
	if fromPrometheus.MatchString(name) || fromElsewhere.MatchString(name) {
		return
	}
	family := got[name]
	if base, ok := strings.CutSuffix(name, "_bucket"); ok {
		family = got[base]
	}
	if family == nil || len(family.GetMetric()) == 0 {
		t.Errorf("%s: there is no %s in a scrape", where, name)
		return
	}
	for _, want := range s.LabelMatchers {
		if fromPrometheus.MatchString(want.Name) {
			continue
		}
		if !fits(family, want) {
			t.Errorf("%s: no %s has a label that fits %s", where, name, want)
		}
	}
}

func fits(family *dto.MetricFamily, want *labels.Matcher) bool {
	for _, one := range family.GetMetric() {
		for _, l := range one.GetLabel() {
			// A status that is an error needn't have occurred, but the label is there.
			if l.GetName() == want.Name && (want.Matches(l.GetValue()) || want.Name == "status") {
				return true
			}
		}
	}
	return false
}

// expressions gives all that there are, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Name  string
				Query any
			}
		}
	}
	if err := json.Unmarshal(read(t, "../../deploy/grafana/fairlead.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for i, target := range p.Targets {
			all["panel "+p.Title+" "+string(rune('A'+i))] = target.Expr
		}
	}
	for _, v := range dashboard.Templating.List {
		if q, ok := v.Query.(map[string]any); ok {
			text, _ := q["query"].(string)
			inner := regexp.MustCompile(`^label_values\((.*), \w+\)$`).FindStringSubmatch(text)
			if inner == nil {
				t.Errorf("variable %s: %q", v.Name, text)
				continue
			}
			all["variable "+v.Name] = inner[1]
		}
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr string
				For         string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	d := yaml.NewDecoder(strings.NewReader(string(read(t, "../../deploy/prometheus/fairlead.rules.yaml"))))
	d.KnownFields(true)
	if err := d.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("rule %q in %s says too little", r.Alert, g.Name)
			}
			all["alert "+r.Alert] = r.Expr
		}
	}
	return all
}

// plain puts values where Grafana puts its variables.
func plain(expr string) string {
	return strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$registry", ".*", "$job", "fairlead").Replace(expr)
}
