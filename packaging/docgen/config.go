package main

import (
	"fmt"
	"strings"
)

// packagedEdits turn the sample, which names a role, into a configuration that is safe as it is: made-up credentials, of mock-role,
// and no call to AWS. Packages install it as /etc/mock-ec2-metadata/config.yaml, and archives have it as sample-config.yaml.
var packagedEdits = []struct{ from, to string }{
	{
		"# Copy this file to conf/config.yaml, and change the keys that differ. Commented lines show the default: to change one,\n" +
			"# remove \"# \" in front of the key. Lines further to the right are examples. docs/configuration.md explains every key.\n",
		"# The configuration of mock-ec2-metadata. As it is, credentials are made up, and no AWS service is called. For real ones,\n" +
			"# set mock to false, and source_profile and iam_role to yours. Commented lines show the default: to change one, remove \"# \" in\n" +
			"# front of the key. Lines further to the right are examples. docs/configuration.md, or \"man 5 mock-ec2-metadata\",\n" +
			"# explains every key.\n",
	},
	{"  source_profile: default\n", "  # source_profile: default\n"},
	{"  iam_role: arn:aws:iam::123456789012:role/myrole\n", "  # iam_role: arn:aws:iam::123456789012:role/myrole\n"},
	{"  # mock: false\n", "  mock: true\n"},
}

// packagedConfig makes the packaged configuration of the sample.
func packagedConfig(text string) (string, error) {
	for _, edit := range packagedEdits {
		if strings.Count(text, edit.from) != 1 {
			return "", fmt.Errorf("%s: %q is not there once; correct packagedEdits", sample, edit.from)
		}
		text = strings.Replace(text, edit.from, edit.to, 1)
	}
	return text, nil
}
