package awsecr

import "fairlead.dev/fairlead"

// The methods.
const (
	federation   = "federation"
	assumeRole   = "assume-role"
	secretKey    = "secret-key"
	sessionToken = "session-token"
	instanceRole = "instance-role"
)

// The fields, and the values of source.
const (
	roleField     = "role_arn"
	externalField = "external_id"
	sourceField   = "source"
	keyField      = "access_key_id"
	secretField   = "secret_access_key"
	tokenField    = "session_token"
	regionsField  = "regions"

	sourceKeys     = "keys"
	sourceInstance = "instance"
)

// Info describes the family.
func (Provider) Info() fairlead.ProviderInfo {
	return fairlead.ProviderInfo{
		Family: Family,
		Title:  "Amazon ECR",
		Help:   "Private registries of any account and region that the identity reaches, and ECR Public.",
		Hosts: []string{
			"*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr-fips.*.amazonaws.com", "*.dkr-ecr.*.on.aws", "*.dkr-ecr-fips.*.on.aws",
			"*.dkr.ecr.*.amazonaws.com.cn", "*.dkr-ecr.*.on.amazonwebservices.com.cn", "*.dkr.ecr.*.amazonaws.eu",
			"*.dkr.ecr.*.c2s.ic.gov", "*.dkr.ecr.*.sc2s.sgov.gov", "*.dkr.ecr.*.cloud.adc-e.uk", "*.dkr.ecr.*.csp.hci.ic.gov",
			publicHost, publicHost6,
		},
		Methods: []fairlead.Method{federationMethod(), assumeRoleMethod(), secretKeyMethod(), sessionTokenMethod(), instanceRoleMethod()},
	}
}

func federationMethod() fairlead.Method {
	return fairlead.Method{
		Name: federation, Title: "Web identity (no stored secret)", Keyless: true,
		Help:   "AWS trusts this server as an identity provider, and gives it a session of a role for each login. `fairlead connector guide` prints what to set up.",
		Fields: []fairlead.Field{roleOf("The role that trusts this server's identity provider and this connector's subject."), regions()},
	}
}

func assumeRoleMethod() fairlead.Method {
	return fairlead.Method{
		Name: assumeRole, Title: "Assume a role",
		Help: "A role, possibly in another account, that lets an AWS identity assume it if it knows the external ID.",
		Fields: []fairlead.Field{
			roleOf("The role to assume."),
			{
				Name: externalField, Title: "External ID", Kind: fairlead.TextField, Required: true, Generated: true,
				Help: "What the role's trust policy asks for (sts:ExternalId). It is generated with the connector, and isn't a secret.",
			},
			{
				Name: sourceField, Title: "Who assumes it", Kind: fairlead.ChoiceField, Choices: []string{sourceKeys, sourceInstance}, Required: true,
				Help: "keys: the user whose access key is given. instance: the server's own instance, where its operator allows that.",
			},
			{
				Name: keyField, Title: "Access key ID", Kind: fairlead.TextField, With: []string{secretField},
				Help: "Of an IAM user who may do nothing but assume the role; AKIA and 16 more characters.",
			},
			{Name: secretField, Title: "Secret access key", Kind: fairlead.TextField, Secret: true, With: []string{keyField}},
			regions(),
		},
	}
}

func secretKeyMethod() fairlead.Method {
	return fairlead.Method{
		Name: secretKey, Title: "Access key of a user",
		Help: "A long-lived key. Prefer federation, which stores nothing and gives narrower logins.",
		Fields: []fairlead.Field{
			{Name: keyField, Title: "Access key ID", Kind: fairlead.TextField, Required: true, Help: "AKIA and 16 more characters. It is not a secret."},
			{Name: secretField, Title: "Secret access key", Kind: fairlead.TextField, Required: true, Secret: true},
			regions(),
		},
	}
}

func sessionTokenMethod() fairlead.Method {
	return fairlead.Method{
		Name: sessionToken, Title: "Session token",
		Help: "Temporary keys, which end by themselves after hours: for trying out. Give their end with --expires, so that the lease knows it.",
		Fields: []fairlead.Field{
			{Name: keyField, Title: "Access key ID", Kind: fairlead.TextField, Required: true, Help: "ASIA and 16 more characters. It is not a secret."},
			{Name: secretField, Title: "Secret access key", Kind: fairlead.TextField, Required: true, Secret: true},
			{Name: tokenField, Title: "Session token", Kind: fairlead.TextField, Required: true, Secret: true},
			regions(),
		},
	}
}

func instanceRoleMethod() fairlead.Method {
	return fairlead.Method{
		Name: instanceRole, Title: "Role of the server's own instance", Keyless: true,
		Help:   "Only where the server runs on EC2 and its operator allows it: every organization that uses it has the same rights.",
		Fields: []fairlead.Field{regions()},
	}
}

func roleOf(help string) fairlead.Field {
	return fairlead.Field{
		Name: roleField, Title: "Role ARN", Kind: fairlead.TextField, Required: true,
		Help: help + " It looks like arn:aws:iam::123456789012:role/fairlead.",
	}
}

func regions() fairlead.Field {
	return fairlead.Field{
		Name: regionsField, Title: "Regions", Kind: fairlead.TextField,
		Help: "Where repositories are looked for when they are listed, with commas between. A login takes the region from the registry's host.",
	}
}
