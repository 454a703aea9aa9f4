package config

import "testing"

func TestLoad_RefusesWrongMetadataPaths(t *testing.T) {
	const (
		shape       = "not a path below the version; write it like meta-data/ami-id"
		where       = "neither user-data nor a path below meta-data/ or dynamic/"
		credentials = "the role's credentials are not for metadata to change; set credentials.iam_role, or leave that out for an instance without a role"
	)
	for _, b := range []bad{
		{"shapes", `
metadata:
  /meta-data/ami-id: x
  meta-data/: ~
  meta-data//mac: x
  meta-data/../user-data: x
  meta-data/a b: x`, `
f.yaml:2: metadata./meta-data/ami-id: ` + shape + `
f.yaml:3: metadata.meta-data/: ` + shape + `
f.yaml:4: metadata.meta-data//mac: ` + shape + `
f.yaml:5: metadata.meta-data/../user-data: ` + shape + `
f.yaml:6: metadata.meta-data/a b: ` + shape},
		{"elsewhere", `
metadata:
  latest/meta-data/ami-id: x
  ami-id: ~
  user-data/a: x
  meta-data: x
  dynamic: ~
  api/token: x`, `
f.yaml:2: metadata.latest/meta-data/ami-id: does not start below the version; write meta-data/ami-id
f.yaml:3: metadata.ami-id: ` + where + `
f.yaml:4: metadata.user-data/a: ` + where + `
f.yaml:5: metadata.meta-data: ` + where + `
f.yaml:6: metadata.dynamic: ` + where + `
f.yaml:7: metadata.api/token: ` + where},
		{"the role's credentials", `
metadata:
  meta-data: ~
  meta-data/iam: ~
  meta-data/iam/security-credentials: ~
  meta-data/iam/security-credentials/myrole: '{}'
  meta-data/iam/security-credentials-extended: x
  meta-data/iam/security-credentials-extended/myrole: ~`, `
f.yaml:2: metadata.meta-data: ` + credentials + `
f.yaml:3: metadata.meta-data/iam: ` + credentials + `
f.yaml:4: metadata.meta-data/iam/security-credentials: ` + credentials + `
f.yaml:5: metadata.meta-data/iam/security-credentials/myrole: ` + credentials + `
f.yaml:6: metadata.meta-data/iam/security-credentials-extended: ` + credentials + `
f.yaml:7: metadata.meta-data/iam/security-credentials-extended/myrole: ` + credentials},
		{"a value in place of the directory", `
metadata: {meta-data/iam: x}`, `
f.yaml:1: metadata.meta-data/iam: ` + credentials},
		{"leaf and directory", `
metadata:
  meta-data/a/b: y
  meta-data/a: x
  meta-data/a/c/d: z
  meta-data/a-b: z`, `
f.yaml:2: metadata.meta-data/a/b: nothing can be below metadata.meta-data/a, which has a value; keep one of them
f.yaml:4: metadata.meta-data/a/c/d: nothing can be below metadata.meta-data/a, which has a value; keep one of them`},
	} {
		b.check(t)
	}
}

func TestLoad_RemovedMetadataContradictsNothing(t *testing.T) {
	mustLoad(t, `
metadata:
  meta-data/a: ~
  meta-data/a/b: y
  meta-data/c: z
  meta-data/c/d: ~
  meta-data/iam/info: ~
  meta-data/iam/security-credentials-foo: x
  user-data: ~
`, nil, nil)
}
