package azurecontainerregistry

import (
	"strconv"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

func aadsts(code int) string { return "AADSTS" + strconv.Itoa(code) }

// sentence says what a code of Entra means here; nil for one that isn't known
// (learn.microsoft.com/entra/identity-platform/reference-error-codes).
func (p Provider) sentence(code int, c provider.Opened, r reply) *fairlead.Error {
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused}
	name, tail := string(c.Name), " ("+aadsts(code)+")"
	switch code {
	case 90002, 900023:
		e.Field, e.Why = tenantID, "there is no tenant "+c.Public[tenantID]+" in "+cloudOf(c.Connector).title+tail
		e.Remedy = "correct the tenant's ID, or the cloud"
	case 700016:
		e.Field, e.Why = clientID, "there is no application "+c.Public[clientID]+" in tenant "+c.Public[tenantID]+tail
		e.Remedy = "correct the client ID (not the object ID) or the tenant's ID; a new application takes some minutes, and needs `az ad sp create`"
	case 7000215:
		e.Field, e.Why = clientSecret, "Microsoft Entra doesn't accept the client secret: it is wrong, or was deleted"+tail
		e.Remedy = "make a new secret, and give its value, not its ID: `fairlead connector update " + name + "`"
	case 7000222:
		e.Code, e.Field = fairlead.CodeConnectorExpired, clientSecret
		e.Why = "the client secret has expired" + tail
		e.Remedy = "make a new secret: `fairlead connector update " + name + "`; method federation needs none"
	case 7000112, 50057:
		e.Why = "the application is switched off in Microsoft Entra" + tail
		e.Remedy = "an administrator of the tenant switches its sign-in on again"
	case 53003, 530035:
		e.Why = "a Conditional Access policy or security defaults of the tenant refuse the application from where this server is" + tail
		e.Remedy = "an administrator of the tenant lets the application log in from this server's address"
	case 500011, 650052:
		e.Why = "tenant " + c.Public[tenantID] + " doesn't know the service that the token is for" + tail
		e.Remedy = "check the tenant's ID and the cloud: the registry has to belong to this tenant"
	case 50196, 90055:
		e.Kind, e.Code, e.RetryAt = fairlead.Limited, fairlead.CodeRateLimited, p.retryAt(r)
		e.Why, e.Remedy = "Microsoft Entra has had too many requests"+tail, comeBack(e.RetryAt)
	case 90033, 90006, 90024:
		e.Kind, e.Code, e.RetryAt = fairlead.Unavailable, fairlead.CodeRegistryBroken, p.retryAt(r)
		e.Why, e.Remedy = "Microsoft Entra is in trouble for a moment"+tail, "try again; if it stays, look at azure.status.microsoft"
	default:
		return p.federated(code, c, r)
	}
	return e
}

// federated says what codes about subject tokens mean.
func (p Provider) federated(code int, c provider.Opened, r reply) *fairlead.Error {
	if c.Method != federation {
		return nil
	}
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused}
	issuer, subject, tail := p.tools.Issuer.URL(), provider.SubjectName(c.Owner, c.Name), " ("+aadsts(code)+")"
	e.Remedy = "add the federated credential that `fairlead connector guide " + string(c.Name) + "` prints; capital letters and a slash at the end count, and a new one takes some minutes"
	switch code {
	case 700211:
		e.Why = "the application has no federated credential for the issuer " + issuer + tail
	case 700213, 7002138, 7002137:
		e.Why = "the application has a federated credential for the issuer, but none for the subject " + subject + tail
	case 700212:
		e.Why = "the application's federated credential is for another audience than " + cloudOf(c.Connector).assertion + tail
	case 70021, 700210:
		e.Why = "the application has no federated credential for issuer " + issuer + ", subject " + subject + " and audience " + cloudOf(c.Connector).assertion + tail
	case 700024, 500133, 50012:
		e.Kind, e.Code = fairlead.Unavailable, ""
		e.Why = "this server's clock and Microsoft's disagree, so that the subject token isn't valid now" + tail
		if off := p.tools.Now().Sub(r.date).Round(time.Second); off.Abs() >= time.Minute {
			way := " ahead of"
			if off < 0 {
				way = " behind"
			}
			e.Why = "this server's clock is " + off.Abs().String() + way + " Microsoft's, so that the subject token isn't valid now" + tail
		}
		e.Remedy = "the operator sets the server's clock (NTP)"
	case 50166, 501661, 90061:
		e.Kind, e.Code = fairlead.Unavailable, fairlead.CodeConnect
		e.Why = "Microsoft Entra can't read the issuer's documents at " + issuer + tail
		e.Remedy = "the operator makes " + issuer + "/.well-known/openid-configuration readable from the internet, with a public certificate"
	case 7000272, 50013, 700027, 50027:
		e.Why = "Microsoft Entra doesn't accept the signature of the subject token" + tail
		e.Remedy = "after a change of the issuer's keys wait some minutes; then check that " + issuer + " publishes the keys of this server and not of another"
	default:
		return nil
	}
	return e
}
