package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Ways to verify the tokens of pods, the values of pod_identity.verify.
const (
	VerifyTokenReview = "tokenreview"
	VerifyJWKS        = "jwks"
	VerifyNone        = "none"
)

// PodIdentity is what pods of EKS ask: the agent of EKS Pod Identity (container-credentials-reference section 10.1).
type PodIdentity struct {
	// Enabled opens Listen, and serves /v1/credentials at the addresses of server.listen.
	Enabled bool `yaml:"enabled"`
	// Listen holds host:port addresses. Changing them takes a restart.
	Listen      []string `yaml:"listen" is:"host and port" scalar:"true"`
	ClusterName string   `yaml:"cluster_name" is:"cluster name"`
	// ClusterARN is derived if it is not set, see Config.EKSClusterARN.
	ClusterARN string `yaml:"cluster_arn" is:"cluster ARN"`
	// Audience must be one of a token's.
	Audience string `yaml:"audience" is:"word"`
	// Verify says who vouches for tokens: the Kubernetes API, a key set, or no check (with credentials.mock only).
	Verify string `yaml:"verify" oneof:"tokenreview, jwks, none"`
	// JWKS is the URL or the file of the key set; "" is the daemon's own key, with which the command token signs.
	JWKS string `yaml:"jwks" is:"JWKS"`
	// Issuer must be the token's; "" is any.
	Issuer string `yaml:"issuer" is:"word"`
	// Kubeconfig says where the Kubernetes API is; "" is KUBECONFIG, then that of the cluster that the daemon runs in.
	Kubeconfig string `yaml:"kubeconfig" is:"printable"`
	// SessionTags adds EKS's six tags to sessions, so that each pod has its own.
	SessionTags  bool          `yaml:"session_tags"`
	Associations []Association `yaml:"associations" most:"10000 associations; at most"`
}

// Association says which role the pods of a service account get.
type Association struct {
	Namespace      string `yaml:"namespace" is:"Kubernetes name"`
	ServiceAccount string `yaml:"service_account" is:"Kubernetes name"`
	// Role is a name of roles.
	Role string `yaml:"role" is:"role name"`
	// TargetRole is assumed with the credentials of Role, which then are not handed out; "" for none.
	TargetRole       string `yaml:"target_role" is:"role"`
	TargetExternalID Secret `yaml:"target_external_id" is:"external id"`
	// Policy is an inline session policy (JSON): of the target role if there is one, else of Role.
	Policy string `yaml:"policy" is:"policy"`
}

// EKSClusterARN is pod_identity.cluster_arn, or one derived from the cluster's name and the place of the instance.
func (c *Config) EKSClusterARN() string {
	p, place := c.PodIdentity, c.AWS
	return cmp.Or(p.ClusterARN, "arn:"+cmp.Or(place.Partition, Partition(place.Region))+":eks:"+place.Region+":"+place.AccountID+":cluster/"+p.ClusterName)
}

// IsURL reports whether pod_identity.jwks is a URL and no file.
func IsURL(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

// jwksPlace is the rule for pod_identity.jwks.
func jwksPlace(value string) string {
	if !IsURL(value) {
		if scheme, _, ok := strings.Cut(value, "://"); ok {
			return quote(scheme) + " is no scheme of a key set; write https://HOST/PATH, http://HOST/PATH or a file's name"
		}
		return printable(value)
	}
	if u, err := url.Parse(value); err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return quote(value) + " is not the URL of a key set; write e.g. https://example.com/openid/v1/jwks"
	}
	return ""
}

// mostSessionTags is STS's limit, podTags those that EKS adds (container-credentials-reference section 5.5).
const (
	mostSessionTags = 50
	podTags         = 6
)

// validatePodIdentity applies the rules that compare values of pod_identity.
func (l *loader) validatePodIdentity() {
	p := &l.config.PodIdentity
	l.validateVerify()
	first := map[[2]string]int{}
	for i := range p.Associations {
		a, path := &p.Associations[i], element("pod_identity.associations", i)
		if missing := a.missing(); missing != "" {
			l.wrong(path, "has no %s; set it", missing)
			continue
		}
		key := [2]string{a.Namespace, a.ServiceAccount}
		if before, again := first[key]; again {
			l.wrong(path, "is the second one of %s/%s, after associations[%d]; a service account has one", a.Namespace, a.ServiceAccount, before)
		}
		first[key] = i
		l.checkRole(path+".role", a.Role)
		l.validateAssociation(a, path)
	}
	k := &l.config.Kubernetes
	if p.Enabled && len(p.Associations) == 0 && (!k.Enabled || len(k.Rules.ServiceAccounts) == 0) {
		l.odd("pod_identity.enabled", "without pod_identity.associations no pod gets credentials; add one")
	}
}

func (a *Association) missing() string {
	switch "" {
	case a.Namespace:
		return "namespace"
	case a.ServiceAccount:
		return "service_account"
	case a.Role:
		return "role"
	default:
		return ""
	}
}

// validateAssociation checks one association. Its role exists, or its problem has been reported.
func (l *loader) validateAssociation(a *Association, path string) {
	p := &l.config.PodIdentity
	role, ok := l.config.Roles[a.Role]
	if !ok {
		return
	}
	switch {
	case role.IAMRole == "":
		l.wrong(path+".role", "the role %s has no iam_role: pods get credentials of an IAM role; set roles.%[1]s.iam_role", a.Role)
	case p.Enabled && p.Verify == VerifyNone && !role.Mock:
		l.wrong("pod_identity.verify", "with none any client could write a token for roles.%s, whose credentials are real; set credentials.mock to true, or verify to jwks or tokenreview", a.Role)
	case a.TargetExternalID != "" && a.TargetRole == "":
		l.wrong(path+".target_external_id", "without a target_role there is nothing to use it for; set %s.target_role", path)
	case a.Policy != "" && p.SessionTags:
		l.wrong(path+".policy", "EKS takes a policy only without session tags; set pod_identity.session_tags to false")
	case a.Policy != "" && a.TargetRole == "" && role.Policy != "":
		l.wrong(path+".policy", "roles.%s.policy is set too; keep one of them", a.Role)
	case p.SessionTags && len(role.SessionTags) > mostSessionTags-podTags:
		l.wrong("pod_identity.session_tags", "roles.%s has %d session_tags; with EKS's %d these are more than the %d that STS takes", a.Role, len(role.SessionTags), podTags, mostSessionTags)
	}
	for _, key := range slices.Sorted(maps.Keys(role.SessionTags)) {
		if p.SessionTags && slices.Contains(PodTagKeys(), key) {
			l.wrong("pod_identity.session_tags", "roles.%s.session_tags has %s, which EKS sets; remove it there", a.Role, key)
		}
	}
}

// PodTagKeys returns the keys of the six session tags that EKS sets (container-credentials-reference section 5.5).
func PodTagKeys() []string {
	return []string{
		"eks-cluster-arn", "eks-cluster-name", "kubernetes-namespace", "kubernetes-service-account", "kubernetes-pod-name", "kubernetes-pod-uid",
	}
}

// validateVerify checks what tokens are verified with.
func (l *loader) validateVerify() {
	p := &l.config.PodIdentity
	if p.Enabled && p.Verify == VerifyNone && !l.config.Credentials.Mock {
		l.wrong("pod_identity.verify", "with none any client can write a token, so that it needs credentials.mock: true; else set it to jwks or tokenreview")
	}
	if p.Enabled && p.Verify == VerifyJWKS && l.usable(jwksKey) && !IsURL(p.JWKS) {
		if info, err := os.Stat(p.JWKS); err != nil || info.IsDir() {
			l.wrong(jwksKey, "%s: no such file; write the key set there, or leave the key out for the daemon's own", oneLine(p.JWKS))
		}
	}
	for _, unused := range []struct{ key, verify string }{{jwksKey, VerifyJWKS}, {"pod_identity.issuer", VerifyJWKS}, {kubeconfig, VerifyTokenReview}} {
		if l.isSet(unused.key) && p.Verify != unused.verify {
			l.odd(unused.key, "without effect: pod_identity.verify is %s, and only %s takes it", p.Verify, unused.verify)
		}
	}
}

// String names an association.
func (a *Association) String() string { return fmt.Sprintf("%s/%s", a.Namespace, a.ServiceAccount) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
