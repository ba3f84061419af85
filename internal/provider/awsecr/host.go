package awsecr

import (
	"regexp"
	"strings"
)

// hostForm is the grammar of private registries' hosts (amazon-ecr-credential-helper,
// ecr-login/api; Amazon ECR User Guide, "Amazon ECR service endpoints"). The account and
// the region may hold *, as the host of a match pattern does. A dash between dkr and ecr
// goes with the dual-stack domains alone; checkHost looks whether the parts fit.
var hostForm = regexp.MustCompile(`^([0-9*]{1,12})\.dkr([.-])ecr(-fips)?\.([a-z0-9*][a-z0-9*-]*)\.` +
	`(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn|` +
	`c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$`)

// The hosts of ECR Public: one name, and the same over IPv6 too.
const (
	publicHost  = "public.ecr.aws"
	publicHost6 = "ecr-public.aws.com"
)

// place is where a registry is.
type place struct {
	// account is empty for ECR Public, and if the host is a pattern's.
	account string
	region  string
	// partition is the one that the host's domain is of.
	partition partition
	fips      bool
	dual      bool
	public    bool
	suffix    string
}

// partition is a group of AWS regions with accounts of its own (botocore,
// partitions.json).
type partition struct {
	id string
	// suffix and dual are the domains of registries; dual is empty where there are none.
	suffix, dual string
	// api is the domain of the services.
	api string
	// region is the main one.
	region string
	// prefix is what its regions' names begin with.
	prefix string
	// console is the domain of the web console.
	console string
}

// partitions are all that there are. The first is for every region that is none of the
// others'.
func partitions() []partition {
	return []partition{
		{id: "aws", suffix: "amazonaws.com", dual: "on.aws", api: "amazonaws.com", region: "us-east-1", console: "aws.amazon.com"},
		{id: "aws-us-gov", suffix: "amazonaws.com", dual: "on.aws", api: "amazonaws.com", region: "us-gov-west-1", prefix: "us-gov-", console: "amazonaws-us-gov.com"},
		{
			id: "aws-cn", suffix: "amazonaws.com.cn", dual: "on.amazonwebservices.com.cn", api: "amazonaws.com.cn",
			region: "cn-northwest-1", prefix: "cn-", console: "amazonaws.cn",
		},
		{id: "aws-eusc", suffix: "amazonaws.eu", api: "amazonaws.eu", region: "eusc-de-east-1", prefix: "eusc-", console: "amazonaws-eusc.eu"},
		{id: "aws-iso", suffix: "c2s.ic.gov", api: "c2s.ic.gov", region: "us-iso-east-1", prefix: "us-iso-", console: "c2shome.ic.gov"},
		{id: "aws-iso-b", suffix: "sc2s.sgov.gov", api: "sc2s.sgov.gov", region: "us-isob-east-1", prefix: "us-isob-", console: "sc2shome.sgov.gov"},
		{id: "aws-iso-e", suffix: "cloud.adc-e.uk", api: "cloud.adc-e.uk", region: "eu-isoe-west-1", prefix: "eu-isoe-", console: "csphome.adc-e.uk"},
		{id: "aws-iso-f", suffix: "csp.hci.ic.gov", api: "csp.hci.ic.gov", region: "us-isof-south-1", prefix: "us-isof-", console: "csphome.hci.ic.gov"},
	}
}

// partitionNamed gives a partition by the name that ARNs have.
func partitionNamed(id string) (partition, bool) {
	for _, p := range partitions() {
		if p.id == id {
			return p, true
		}
	}
	return partition{}, false
}

// partitionOf gives the partition of a region.
func partitionOf(region string) partition {
	all := partitions()
	for _, p := range all[1:] {
		if strings.HasPrefix(region, p.prefix) {
			return p
		}
	}
	return all[0]
}

var regionForm = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+){1,3}-[0-9]{1,2}$`)

// parseHost reads a registry's host, or a match pattern's. ok is false for what is none
// of ECR's.
func parseHost(host string) (p place, ok bool) {
	if host == publicHost || host == publicHost6 {
		main := partitions()[0]
		return place{region: main.region, partition: main, public: true, dual: host == publicHost6}, true
	}
	m := hostForm.FindStringSubmatch(host)
	if m == nil {
		return place{}, false
	}
	p = place{account: m[1], region: m[4], fips: m[3] != "", dual: m[2] == "-", suffix: m[5]}
	switch {
	case strings.Contains(p.account, "*"):
		p.account = ""
	case len(p.account) != 12:
		return place{}, false
	}
	if p.dual != strings.HasPrefix(p.suffix, "on.") {
		return place{}, false
	}
	if strings.Contains(p.region, "*") {
		p.partition, p.region = byDomain(p.suffix, p.region)
		return p, true
	}
	p.partition = partitionOf(p.region)
	return p, true
}

// byDomain gives the partition that a region with * is of, as far as one can tell.
func byDomain(suffix, region string) (found partition, none string) {
	literal, _, _ := strings.Cut(region, "*")
	for _, p := range partitions() {
		if p.suffix != suffix && p.dual != suffix {
			continue
		}
		if found.id == "" || p.prefix != "" && strings.HasPrefix(literal, p.prefix) {
			found = p
		}
	}
	return found, ""
}

// sound says what is wrong with the parts of a host; "" for nothing.
func (p place) sound() (why string) {
	switch {
	case p.public || p.region == "":
		return ""
	case !regionForm.MatchString(p.region):
		return "there is no region " + p.region
	case p.partition.suffix != p.suffix && p.partition.dual != p.suffix:
		return "region " + p.region + " has its registries below " + p.partition.suffix + ", not below " + p.suffix
	}
	return ""
}

// registry is the plain host of an account's registry in a region.
func registry(account, region string) string {
	return account + ".dkr.ecr." + region + "." + partitionOf(region).suffix
}
