package gcpartifactregistry

import (
	"fmt"
	"strconv"
	"strings"
)

// literal writes a string of Terraform's language, in which ${ and %{ begin a template
// (developer.hashicorp.com/terraform/language/expressions/strings).
func literal(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}

// terraform is what Guide's commands do, for hashicorp/google.
func (g guide) terraform() string {
	member := literal(g.principal())
	if g.number == "PROJECT_NUMBER" { // which Terraform can look up
		member = fmt.Sprintf(`"principal://iam.googleapis.com/${google_iam_workload_identity_pool.fairlead.name}/subject/%s"`, strings.Trim(literal(g.subject), `"`))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `resource "google_iam_workload_identity_pool" "fairlead" {
  project                   = %[1]s
  workload_identity_pool_id = %[2]s
}

resource "google_iam_workload_identity_pool_provider" "fairlead" {
  project                            = %[1]s
  workload_identity_pool_id          = google_iam_workload_identity_pool.fairlead.workload_identity_pool_id
  workload_identity_pool_provider_id = %[3]s
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = %[4]s
  oidc {
    issuer_uri = %[5]s
  }
}
`, literal(g.project), literal(g.pool), literal(g.provider), literal("assertion.sub == '"+g.subject+"'"), literal(g.issuer))
	reader := member
	if g.account != "" {
		reader = literal("serviceAccount:" + g.account)
		fmt.Fprintf(&b, `
resource "google_service_account_iam_member" "fairlead" {
  service_account_id = %s
  role               = %s
  member             = %s
}
`, literal("projects/"+g.project+"/serviceAccounts/"+g.account), literal(workloadRole), member)
	}
	fmt.Fprintf(&b, `
resource "google_artifact_registry_repository_iam_member" "fairlead" {
  project    = %s
  location   = %s
  repository = %s
  role       = "roles/artifactregistry.reader"
  member     = %s
}

output "workload_identity_provider" {
  value = google_iam_workload_identity_pool_provider.fairlead.name
}
`, literal(g.project), literal(g.location), literal(g.repository), reader)
	return b.String()
}
