package inputs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/engine"
)

// files reads a container's environment files. Of a variable that several have the first counts, and the container's own
// environment is over all of them
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/use-environment-file.html).
func (r *Reader) files(ctx context.Context, c *types.ContainerDefinition) (vars engine.Secrets, err error) {
	seen := map[string]bool{}
	for _, e := range c.Environment {
		seen[aws.ToString(e.Name)] = true
	}
	for _, f := range c.EnvironmentFiles {
		text, err := r.file(ctx, aws.ToString(f.Value))
		if e, ok := errors.AsType[smithy.APIError](err); ok {
			return nil, &Error{fmt.Sprintf("%s%s: %s (file %s of container %s)", ofFiles, e.ErrorCode(), e.ErrorMessage(), aws.ToString(f.Value), *c.Name)}
		}
		if err != nil {
			return nil, err
		}
		for _, v := range Variables(text) {
			if name, _, _ := strings.Cut(v, "="); !seen[name] {
				seen[name], vars = true, append(vars, v)
			}
		}
	}
	return vars, nil
}

// file reads the object with an ARN. As the agent of ECS, it asks where the bucket is, too.
func (r *Reader) file(ctx context.Context, arn string) (string, error) {
	bucket, key, _ := Object(arn)
	if err := caller.Allowed(ctx, "s3:GetBucketLocation", "arn:aws:s3:::"+bucket, nil); err != nil {
		return "", err
	}
	text, err := r.Objects.Object(ctx, bucket, key)
	return string(text), err
}

// Object takes the ARN of an object apart: arn:aws:s3:::bucket/key.
func Object(arn string) (bucket, key string, ok bool) {
	rest, ok := strings.CutPrefix(arn, "arn:aws:s3:::")
	bucket, key, found := strings.Cut(rest, "/")
	return bucket, key, ok && found && bucket != "" && key != ""
}

// Variables returns what the lines of an environment file say, "NAME=value"; of a name that is there twice, the last. A line that begins
// with # is a comment, and one without a name, an equals sign or a value is left out. A value is all behind the first equals sign, as it
// stands there: quotes and blanks are a part of it.
func Variables(text string) (vars []string) {
	at := map[string]int{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || value == "" || strings.HasPrefix(line, "#") || strings.Contains(line, "\x00") {
			continue
		}
		if i, twice := at[name]; twice {
			vars[i] = line
			continue
		}
		at[name], vars = len(vars), append(vars, line)
	}
	return vars
}
