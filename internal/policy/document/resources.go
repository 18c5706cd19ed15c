package document

import (
	"slices"
	"strings"
)

func (d *Document) checkResources() error {
	for _, s := range d.Statements {
		if len(s.Resources) == 0 {
			return malformed("Policy statement must contain resources.")
		}
	}
	return d.checkResourceFormats()
}

func (d *Document) checkResourceFormats() error {
	for _, s := range d.Statements {
		for _, r := range s.Resources {
			if err := checkResource(r); err != nil {
				return err
			}
		}
	}
	return nil
}

var partitions = []string{"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc", "*"}

// iamPaths are what the names of IAM's resources begin with.
var iamPaths = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/",
	"policy/", "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
}

func checkResource(r string) error {
	if r == "*" {
		return nil
	}
	parts := strings.SplitN(r, ":", 6)
	if !strings.EqualFold(parts[0], "arn") || len(parts) < 2 {
		return malformed(`Resource %s must be in ARN format or "*".`, r)
	}
	parts = append(parts, slices.Repeat([]string{"*"}, 6-len(parts))...)
	if !slices.Contains(partitions, strings.ToLower(parts[1])) {
		return malformed(`Partition "%s" is not valid for resource "%s".`, parts[1], strings.Join(parts, ":"))
	}
	service, region, resource := parts[2], parts[3], parts[5]
	if strings.ContainsAny(service, "*?") && service != "*" {
		return malformed("Resource vendor must be fully qualified and cannot contain regexes.")
	}
	if region == "" || region == "*" {
		return checkIAMPath(service, resource)
	}
	switch service {
	case "iam":
		return malformed("IAM resource %s cannot contain region information.", r)
	case "s3":
		return malformed("Resource %s can not contain region information.", r)
	}
	return nil
}

func checkIAMPath(service, resource string) error {
	if service != "iam" || strings.HasPrefix(resource, "*") {
		return nil
	}
	for _, path := range iamPaths {
		if strings.HasPrefix(resource, path) {
			return nil
		}
	}
	return malformed(`IAM resource path must either be "*" or start with %s.`, strings.Join(iamPaths, ", "))
}
