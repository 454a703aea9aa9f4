//go:build e2e && linux

package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

// TestDoctor_FollowsTheVariablesOfContainers sets them in a shell of a machine whose daemon has the addresses of containers.
func TestDoctor_FollowsTheVariablesOfContainers(t *testing.T) {
	m := newTaskMachine(t, taskServices)
	file, id := m.token(t, "web"), m.id(t, "web")
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	withEnd := testutil.WriteTemp(t, "token", string(token)+"\n")
	const (
		relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/"
		web      = "note  environment    clients that you start from this shell get the role web from the daemon (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, at 169.254.170.2)"
		pods     = "note  environment    clients that you start from this shell get credentials from the daemon as pods of EKS do (AWS_CONTAINER_CREDENTIALS_FULL_URI)"
		old      = ", which boto3 before 1.32 refuses, as Debian 12's boto3 1.26.27 and AWS CLI 2.9.19 do; use newer ones there, or 169.254.170.2 (ecs.enabled)"
		prefer   = "; start them with: mock-ec2-metadata exec -- COMMAND"
		prefix   = "note  environment    "
	)
	for _, tt := range []struct {
		name string
		env  []string
		want []string
	}{
		{name: "none", want: []string{"ok    environment    no variable of this shell keeps clients from 169.254.169.254"}},
		{name: "a role's id", env: []string{relative + id}, want: []string{web}},
		{name: "an old id", env: []string{relative + "old"}, want: []string{
			prefix + `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI sends clients to the daemon at 169.254.170.2, but has an id that is none of its own; set it again: eval "$(mock-ec2-metadata env --ecs)"`,
			prefix + "clients that you start from this shell prefer AWS_CONTAINER_CREDENTIALS_RELATIVE_URI to the metadata service" + prefer,
		}},
		{name: "a web identity beside it", env: []string{relative + id, "AWS_WEB_IDENTITY_TOKEN_FILE=/token"}, want: []string{
			web, prefix + "AWS_WEB_IDENTITY_TOKEN_FILE wins over AWS_CONTAINER_CREDENTIALS_RELATIVE_URI in boto3 and in the SDKs for Go and JavaScript; unset AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
			prefix + "clients that you start from this shell prefer AWS_WEB_IDENTITY_TOKEN_FILE to the metadata service" + prefer,
		}},
		{name: "the webhook's", env: webhook(podIdentityURL, file), want: []string{pods, prefix + "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to 169.254.170.23" + old}},
		{name: "the webhook's for IPv6", env: append(webhook(podIdentityURLIPv6, file), "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"), want: []string{
			pods, prefix + "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to fd00:ec2::23" + old,
		}},
		{name: "a token with the end of a line", env: webhook(podIdentityURL, withEnd), want: []string{
			pods, prefix + "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to 169.254.170.23" + old,
			prefix + "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names a file with the end of a line in it, which SDKs refuse; write it without: (umask 077; tr -d '\\r\\n' <" +
				withEnd + " >" + withEnd + ".new) && mv " + withEnd + ".new " + withEnd,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines, code := m.machine.doctor(t, m.home, append(tt.env, "AWS_ENDPOINT_URL_STS="+m.sts.URL()), "environment")
			if diff := cmp.Diff(tt.want, lines); diff != "" || code != 0 {
				t.Errorf("exit %d (-want +got):\n%s", code, diff)
			}
			if all := strings.Join(lines, "\n"); strings.Contains(all, id) || strings.Contains(all, string(token[len(token)/2:])) {
				t.Errorf("it shows a secret:\n%s", all)
			}
		})
	}
	t.Run("the remedy for the end of a line", func(t *testing.T) {
		m.machine.output(t, nil, "sh", "-ec", "(umask 077; tr -d '\\r\\n' <"+withEnd+" >"+withEnd+".new) && mv "+withEnd+".new "+withEnd)
		if got, err := os.ReadFile(withEnd); err != nil || string(got) != string(token) {
			t.Errorf("the file is %v, %v", len(got), err)
		}
	})
}
