package app

import (
	"fmt"
	"strings"

	"mock-ec2-metadata/internal/config"
)

// describeECS says in words how containers of ECS get credentials, if that is configured.
func describeECS(l *config.Loaded) []string {
	e := &l.Config.ECS
	if !e.Enabled && !e.ByPath && l.Authorization == "" {
		return nil
	}
	var lines []string
	if e.Enabled {
		lines = append(lines, "ECS (ecs): credentials and task metadata at "+strings.Join(e.Listen, ", "))
	}
	switch {
	case e.AuthorizationFile != "":
		lines = append(lines, "ECS clients must send the Authorization that is in "+e.AuthorizationFile)
	case l.Authorization != "":
		lines = append(lines, "ECS clients must send the Authorization of ecs.authorization")
	}
	switch {
	case e.ByPath && l.Authorization != "":
		lines = append(lines, "by path (/creds, /role/NAME, /role-arn/ARN): clients of an entry its role and those of also; all others any of roles")
	case e.ByPath:
		lines = append(lines, "by path (/creds, /role/NAME, /role-arn/ARN): clients of an entry its role and those of also; all others their own role")
	}
	return lines
}

// describePods says in words which pods get which role, a line for each of the first 200 associations.
func describePods(c *config.Config) []string {
	p := &c.PodIdentity
	if !p.Enabled {
		return nil
	}
	by := map[string]string{
		config.VerifyTokenReview: "by the Kubernetes API", config.VerifyNone: "not at all: any client can write one",
		config.VerifyJWKS: "by the keys of " + p.JWKS,
	}[p.Verify]
	if p.Verify == config.VerifyJWKS && p.JWKS == "" {
		by = "by the daemon's own key (mock-ec2-metadata token)"
	}
	lines := []string{fmt.Sprintf("EKS Pod Identity (pod_identity): cluster %s at %s; tokens are verified %s", p.ClusterName, strings.Join(p.Listen, ", "), by)}
	for i := range min(len(p.Associations), mostEntries) {
		a := &p.Associations[i]
		text := "pods of " + a.String() + ": role " + a.Role
		if a.TargetRole != "" {
			text += ", and by it " + a.TargetRole
		}
		if p.SessionTags {
			text += ", a session for each pod"
		}
		lines = append(lines, text)
	}
	if more := len(p.Associations) - mostEntries; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more associations", more))
	}
	return lines
}
