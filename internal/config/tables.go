package config

import "strings"

// Ids as EC2 makes them: 8 hexadecimal digits until 2016, 17 since.
const hexID = `([0-9a-f]{8}|[0-9a-f]{17})`

// sessionName is what STS takes as RoleSessionName and SourceIdentity.
const sessionName = `[\w+=,.@-]{2,64}`

// keyName is what a key pair can be called (EC2 API reference, CreateKeyPair), without what its listing, "0=name", and
// the path to it cannot hold.
const keyName = `[!-.0-<>-~]([ -.0-<>-~]{0,253}[!-.0-<>-~])?`

// textErrors are the rules for single texts, by key. "[]" stands for an element of a list, "*" for the entry of a map.
var textErrors = map[string]rule{
	"credentials.source_profile":        printable,
	"credentials.iam_role":              arn(roleARN, "the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME"),
	"credentials.session_name":          matches(sessionName, "a session name; it has 2 to 64 of letters, digits and _+=,.@-"),
	"credentials.external_id":           externalID,
	"credentials.source_identity":       matches(sessionName, "a source identity; it has 2 to 64 of letters, digits and _+=,.@-"),
	"credentials.session_tags.*":        tagText("value", 0, maxTagValue),
	"credentials.transitive_tag_keys[]": tagText("key", 1, maxTagKey),
	"credentials.policy":                policyRule,
	"credentials.policy_arns[]":         arn(policyARN, "the ARN of a policy; write arn:aws:iam::aws:policy/NAME"),
	"credentials.mfa_serial":            matches(`[\w+=/:,.@-]{9,256}`, "a serial number or ARN; it has 9 to 256 of letters, digits and _+=/:,.@-"),

	"aws.account_id":           matches(`[0-9]+`, "an account id; it has digits only"),
	"aws.region":               matches(`[a-z]{2,}(-[a-z]+)+-[0-9]+`, "a region; write e.g. us-east-1"),
	"aws.availability_zone":    matches(`[a-z]{2,}(-[a-z]+)+-[0-9]+([a-z]|(-[a-z]+)+-[0-9]+[a-z]|-wl[0-9]+(-[a-z]+)+-[0-9]+)`, "an availability zone; write e.g. us-east-1a"),
	"aws.availability_zone_id": matches(`[a-z]+[0-9]+(-[a-z]+[0-9]*)*-(az|wlz)[0-9]+`, "the id of an availability zone; write e.g. use1-az1"),
	"aws.partition":            matches(`aws(-[a-z]+)*`, "a partition; write e.g. aws or aws-cn"),
	"aws.domain":               hostName,

	"ec2.local_ipv4":                ipv4,
	"ec2.instance_id":               matches(sessionName, "usable as an instance id; it has 2 to 64 of letters, digits and _+=,.@-"),
	"ec2.image_id":                  word,
	"ec2.instance_type":             word,
	"ec2.architecture":              word,
	"ec2.hostname":                  word,
	"ec2.public_ipv4":               ipv4,
	"ec2.public_hostname":           hostName,
	"ec2.ipv6":                      ipv6,
	"ec2.mac":                       mac,
	"ec2.interface_id":              word,
	"ec2.vpc_id":                    word,
	"ec2.subnet_id":                 word,
	"ec2.vpc_ipv4_cidr_blocks[]":    network(32),
	"ec2.vpc_ipv6_cidr_blocks[]":    network(128),
	"ec2.subnet_ipv4_cidr_block":    network(32),
	"ec2.subnet_ipv6_cidr_blocks[]": network(128),
	"ec2.security_groups[]":         printable,
	"ec2.security_group_ids[]":      word,
	"ec2.reservation_id":            word,
	"ec2.life_cycle":                oneOf("on-demand", "spot", "scheduled", "capacity-block"),
	"ec2.monitoring":                oneOf("disabled", "enabled"),
	"ec2.pending_time":              utcTime,
	"ec2.placement.group_name":      printable,
	"ec2.placement.host_id":         word,
	"ec2.product_codes[]":           word,
	"ec2.key_pairs[].name":          matches(keyName, "a key pair's name; it has up to 255 ASCII characters, without / and ="),
	"ec2.key_pairs[].public_key":    func(value string) string { return publicKey(strings.TrimSpace(value)) },
	"ec2.block_devices.*":           device,
	"ec2.tags.*":                    tagValue,
	"ec2.user_data":                 userData,
	"ec2.user_data_file":            printable,
	"ec2.user_data_base64":          userDataBase64,

	"ec2.network_interfaces[].mac":                       mac,
	"ec2.network_interfaces[].interface_id":              word,
	"ec2.network_interfaces[].local_ipv4s[]":             ipv4,
	"ec2.network_interfaces[].public_ipv4s[]":            ipv4,
	"ec2.network_interfaces[].public_hostname":           hostName,
	"ec2.network_interfaces[].ipv6s[]":                   ipv6,
	"ec2.network_interfaces[].ipv4_prefixes[]":           network(32),
	"ec2.network_interfaces[].ipv6_prefixes[]":           network(128),
	"ec2.network_interfaces[].vpc_id":                    word,
	"ec2.network_interfaces[].subnet_id":                 word,
	"ec2.network_interfaces[].vpc_ipv4_cidr_blocks[]":    network(32),
	"ec2.network_interfaces[].vpc_ipv6_cidr_blocks[]":    network(128),
	"ec2.network_interfaces[].subnet_ipv4_cidr_block":    network(32),
	"ec2.network_interfaces[].subnet_ipv6_cidr_blocks[]": network(128),
	"ec2.network_interfaces[].security_groups[]":         printable,
	"ec2.network_interfaces[].security_group_ids[]":      word,

	"ec2.metadata_options.http_tokens":            oneOf("optional", "required"),
	"ec2.metadata_options.http_endpoint":          oneOf("enabled", "disabled"),
	"ec2.metadata_options.instance_metadata_tags": oneOf("enabled", "disabled"),

	"server.listen[]":        hostPort,
	"server.allow_clients[]": client,
	"server.allow_hosts[]":   hostName,
	"server.allow_origins[]": pageOrigin,
	"server.user":            matches(`[A-Za-z0-9_][A-Za-z0-9_.-]*`, "a user's name or number"),
	"server.control":         controlSocket,

	"identity.key_file":  printable,
	"identity.cert_file": printable,
	"identity.state_dir": printable,

	"log.level":  oneOf("debug", "info", "warn", "error"),
	"log.format": oneOf("text", "json"),
}

// entryErrors are the rules for the keys of maps.
var entryErrors = map[string]rule{
	"credentials.session_tags.*": tagText("key", 1, maxTagKey),
	"ec2.block_devices.*":        matches(`ami|root|swap|ebs[1-9][0-9]*|ephemeral(0|[1-9][0-9]*)`, "a block device; the names are ami, root, swap, ebsN and ephemeralN"),
}

// textWarnings are the rules for texts that work here and that EC2 would never have.
var textWarnings = map[string]rule{
	"credentials.iam_role": matches(`[^:]*:[^:]*:[^:]*:[^:]*:[0-9]{12}:.*`, "in an account as AWS numbers them, with 12 digits"),
	"aws.account_id":       matches(`[0-9]{12}`, "an account id as AWS gives them, of 12 digits"),
	"ec2.local_ipv4":       oddAddress,
	"ec2.architecture":     oneOf("i386", "x86_64", "arm64"),
	"ec2.hostname":         hostName,
	"ec2.instance_id":      matches(`i-`+hexID, "an instance id as EC2 gives them, i- and 17 hexadecimal digits"),
	"ec2.image_id":         matches(`ami-`+hexID, "an image id as EC2 gives them, ami- and 17 hexadecimal digits"),
	"ec2.instance_type":    matches(`[a-z][a-z0-9-]*\.[a-z0-9-]+`, "an instance type as EC2 names them, e.g. t3.nano"),

	"ec2.public_ipv4":            oddPublic,
	"ec2.vpc_ipv4_cidr_blocks[]": oddSize,
	"ec2.subnet_ipv4_cidr_block": oddSize,

	"ec2.network_interfaces[].local_ipv4s[]":          oddAddress,
	"ec2.network_interfaces[].public_ipv4s[]":         oddPublic,
	"ec2.network_interfaces[].vpc_ipv4_cidr_blocks[]": oddSize,
	"ec2.network_interfaces[].subnet_ipv4_cidr_block": oddSize,
}
