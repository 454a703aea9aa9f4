package config

import "testing"

func TestMock_AloneHasTheRoleOfTheEmbeddedDefault(t *testing.T) {
	const name = ":role/mock-role"
	for content, want := range map[string]string{
		"credentials: {mock: true}":                                                      "arn:aws:iam::123456789012" + name,
		"credentials: {mock: true}\naws: {account_id: 222222222222}":                     "arn:aws:iam::222222222222" + name,
		"credentials: {mock: true}\naws: {region: cn-north-1}":                           "arn:aws-cn:iam::123456789012" + name,
		"credentials: {mock: true}\naws: {availability_zone: us-gov-west-1a}":            "arn:aws-us-gov:iam::123456789012" + name,
		"credentials: {mock: true}\naws: {region: us-gov-west-1, partition: aws-us-gov}": "arn:aws-us-gov:iam::123456789012" + name,
		"credentials: {mock: true, session_name: test}":                                  "arn:aws:iam::123456789012" + name,
		"credentials: {mock: true, iam_role: 'arn:aws:iam::222222222222:role/r'}":        "arn:aws:iam::222222222222:role/r",
		"credentials: {mock: true, iam_role: ''}":                                        "arn:aws:iam::123456789012" + name,
		"credentials: {mock: false}":                                                     "",
		"credentials: {source_profile: work}":                                            "",
		"":                                                                               "",
	} {
		t.Run(content, func(t *testing.T) {
			l := mustLoad(t, content, nil, nil)
			if got := l.Config.Credentials.IAMRole; got != want || len(l.Warnings) > 0 {
				t.Errorf("got %q, warnings %q; want %q", got, l.Warnings, want)
			}
		})
	}
}

func TestMock_WithAProfileHasItsName(t *testing.T) {
	if got := mustLoad(t, "credentials: {mock: true, source_profile: work}", nil, nil).Config.Credentials; got.IAMRole != "" || got.SourceProfile != "work" {
		t.Errorf("got %+v", got)
	}
}
