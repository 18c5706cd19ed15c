package definition

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/role"
)

// checkRole checks a role that a task has.
func checkRole(f *ecs.Faults, parameter string, name *string) {
	if r := aws.ToString(name); r != "" && !role.Valid(r) {
		f.Add("%s. (%s must be the ARN of an IAM role, and is '%s'.)", role.Invalid, parameter, r)
	}
}

// maxFilesOfTask is how many environment files a task definition has at the most
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/use-environment-file.html).
const maxFilesOfTask = 10

// checkInputs checks what a task is to read when it starts, and that it has the role to read it as.
func checkInputs(f *ecs.Faults, in *sdk.RegisterTaskDefinitionInput) {
	checkRole(f, "executionRoleArn", in.ExecutionRoleArn)
	files := 0
	has := func(what func(types.ContainerDefinition) bool) bool {
		return slices.ContainsFunc(in.ContainerDefinitions, what)
	}
	for _, c := range in.ContainerDefinitions {
		files += len(c.EnvironmentFiles)
	}
	if files > maxFilesOfTask {
		f.Add("Too many environment files: a task definition has at most %d, and this one %d.", maxFilesOfTask, files)
	}
	if aws.ToString(in.ExecutionRoleArn) != "" {
		return
	}
	if has(func(c types.ContainerDefinition) bool { return len(c.Secrets) > 0 }) {
		f.Add("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.")
	}
	if files > 0 {
		f.Add("When you are specifying environment files, you must also specify a value for 'executionRoleArn'.")
	}
	if has(func(c types.ContainerDefinition) bool { return Login(c) != "" }) {
		f.Add("Private repository authentication requires that the task definition specify a value for executionRoleArn.")
	}
}

// checkSecrets checks the secrets of a container, and what it logs in to the registry of its image with.
func checkSecrets(f *ecs.Faults, c *types.ContainerDefinition, name, region string) {
	names := map[string]bool{}
	for _, e := range c.Environment {
		names[aws.ToString(e.Name)] = true
	}
	for _, s := range c.Secrets {
		variable := aws.ToString(s.Name)
		switch {
		case variable == "" || strings.ContainsAny(variable, "=\x00"):
			setting(f, "secrets", name, "a secret's name must not be empty or contain '=', and there is '%s'", variable)
		case names[variable]:
			f.Add("The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'. (Container '%s'.)", variable, name)
		}
		names[variable] = true
		checkValueFrom(f, variable, aws.ToString(s.ValueFrom), name, region)
	}
	if from := Login(*c); from != "" {
		if !secretForm.MatchString(from) || strings.Count(from, ":") != 6 {
			setting(f, "repositoryCredentials", name, "credentialsParameter must be the ARN of a secret in Secrets Manager, and is '%s'", from)
		}
	}
}

// Login is the secret that is logged in with where a container's image is; "": none.
func Login(c types.ContainerDefinition) string {
	if c.RepositoryCredentials == nil {
		return ""
	}
	return aws.ToString(c.RepositoryCredentials.CredentialsParameter)
}

// What a valueFrom may be: a secret's ARN, with all or none of json key, version stage and version id behind it, and a parameter's ARN or
// name, with a version or a label behind it
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specifying-sensitive-data.html).
var (
	secretForm    = regexp.MustCompile(`^arn:aws:secretsmanager:([a-z0-9-]+):\d{12}:secret:[A-Za-z0-9/_+=.@!-]+(:[^:]*:[^:]*:[^:]*)?$`)
	parameterForm = regexp.MustCompile(`^(arn:aws:ssm:([a-z0-9-]+):\d{12}:parameter/)?[a-zA-Z0-9_.\-/]+(:[a-zA-Z0-9_.-]+)?$`)
)

func checkValueFrom(f *ecs.Faults, variable, from, container, region string) {
	where := ""
	if m := secretForm.FindStringSubmatch(from); m != nil {
		where = m[1]
		if parts := strings.Split(m[2], ":"); len(parts) == 4 && parts[2] != "" && parts[3] != "" {
			setting(f, "secrets", container, "the secret %s names both a version stage and a version id", variable)
		}
	} else if m := parameterForm.FindStringSubmatch(from); m != nil && len(from) <= 2048 {
		where = m[2]
	} else if strings.HasPrefix(from, "arn:aws:secretsmanager:") {
		setting(f, "secrets", container, "the secret %s is from '%s': behind a secret's ARN are :json-key:version-stage:version-id, all three or none", variable, from)
	} else {
		f.Add("The Systems Manager parameter name specified for secret %s is invalid. The parameter name can be up to 2048 characters and include the following letters and symbols: a-zA-Z0-9_.-, (Container '%s'.)", variable, container)
	}
	if where != "" && where != region {
		f.Add("The secret %s of container '%s' is in %s, which is not supported by Skylift; all is in %s.", variable, container, where, region)
	}
}

// checkFiles checks which files have variables of a container.
func checkFiles(f *ecs.Faults, name string, files []types.EnvironmentFile) {
	for _, e := range files {
		value := aws.ToString(e.Value)
		bucket, key, ok := strings.Cut(strings.TrimPrefix(value, "arn:aws:s3:::"), "/")
		switch {
		case e.Type != types.EnvironmentFileTypeS3:
			setting(f, "environmentFiles", name, "the type of '%s' must be s3", value)
		case !strings.HasPrefix(value, "arn:aws:s3:::") || !ok || bucket == "" || key == "":
			setting(f, "environmentFiles", name, "'%s' must be the ARN of an object, arn:aws:s3:::bucket/key", value)
		case !strings.HasSuffix(key, ".env"):
			setting(f, "environmentFiles", name, "the name of '%s' must end with .env", value)
		}
	}
}
