// Package valuefrom reads what the valueFrom of a task definition names in Secrets Manager, as the judge in the context lets it.
//
// It is a secret's ARN, with or without its suffix, and behind it, all three or none, :json-key:version-stage:version-id
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html).
package valuefrom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/service/secretsmanager"
	"github.com/skylift/skylift/internal/store"
)

// arnFields is how many fields a secret's ARN has between its colons.
const arnFields = 7

// reference is a valueFrom, taken apart.
type reference struct {
	secret, key    string
	stage, version *string
}

func parse(valueFrom string) (r reference, ok bool) {
	fields := strings.Split(valueFrom, ":")
	if len(fields) != arnFields && len(fields) != arnFields+3 {
		return r, false
	}
	r.secret = strings.Join(fields[:arnFields], ":")
	if len(fields) == arnFields {
		return r, true
	}
	r.key = fields[arnFields]
	if stage := fields[arnFields+1]; stage != "" {
		r.stage = &stage
	}
	if version := fields[arnFields+2]; version != "" {
		r.version = &version
	}
	return r, true
}

// Version returns the id of the version that a valueFrom names now; "" when there is none.
func Version(tx store.Tx, a *secretsmanager.API, valueFrom string) (string, error) {
	r, ok := parse(valueFrom)
	if !ok {
		return "", nil
	}
	id, err := a.VersionID(tx, r.secret, r.version, r.stage)
	if _, none := errors.AsType[smithy.APIError](err); none {
		return "", nil
	}
	return id, err
}

func cannot(format string, args ...any) error {
	return awserr.New("ResourceInitializationError", format, args...)
}

// Reader reads for one task. A version of a secret, of which several members are wanted, is read once: they go together.
type Reader struct {
	api *secretsmanager.API
	had map[string]*sm.GetSecretValueOutput
}

// NewReader returns a reader that has read nothing. It is for one goroutine.
func NewReader(a *secretsmanager.API) *Reader {
	return &Reader{a, map[string]*sm.GetSecretValueOutput{}}
}

// once is get, once for each version that is asked for.
func (r *Reader) once(ctx context.Context, of reference) (*sm.GetSecretValueOutput, error) {
	name := strings.Join([]string{of.secret, aws.ToString(of.stage), aws.ToString(of.version)}, " ")
	if out := r.had[name]; out != nil {
		return out, nil
	}
	out, err := of.get(ctx, r.api)
	if err == nil {
		r.had[name] = out
	}
	return out, err
}

// Read returns the value that a valueFrom names, and the id of its version. Why that can't be is an API's error in the words that
// Amazon ECS has in stoppedReason, with nothing of the value in it.
func (r *Reader) Read(ctx context.Context, valueFrom string) (text, version string, err error) {
	of, ok := parse(valueFrom)
	if !ok {
		return "", "", cannot("unexpected ARN format with parameters when trying to retrieve ASM secret: %s", valueFrom)
	}
	out, err := r.once(ctx, of)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return "", "", cannot("service call has been retried 1 time(s): failed to fetch secret %s from secrets manager: %s: %s", of.secret, e.ErrorCode(), e.ErrorMessage())
	}
	if err != nil {
		return "", "", err
	}
	if out.SecretString == nil {
		return "", "", cannot("secret %s has a binary value, which can't be an environment variable", of.secret)
	}
	if of.key == "" {
		return *out.SecretString, *out.VersionId, nil
	}
	text, err = member(of, *out.SecretString)
	return text, *out.VersionId, err
}

// get asks whether the secret may be read, and reads it.
func (r reference) get(ctx context.Context, a *secretsmanager.API) (*sm.GetSecretValueOutput, error) {
	keys := map[string][]string{"secretsmanager:SecretId": {r.secret}}
	if r.stage != nil {
		keys["secretsmanager:VersionStage"] = []string{*r.stage}
	}
	if r.version != nil {
		keys["secretsmanager:VersionId"] = []string{*r.version}
	}
	arn, missing := a.Identify(ctx, r.secret)
	if missing != nil {
		arn = r.secret // who may not read it isn't told that it isn't there
	}
	if err := caller.Allowed(ctx, "secretsmanager:GetSecretValue", arn, keys); err != nil {
		return nil, err
	}
	if missing != nil {
		return nil, missing
	}
	return a.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: &r.secret, VersionId: r.version, VersionStage: r.stage})
}

// member returns a member of a value that is a JSON object. As in the agent of Amazon ECS a number is printed as Go prints it.
func member(r reference, text string) (string, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return "", cannot("retrieved secret from Secrets Manager is not valid JSON (secret %s)", r.secret) // err may have the value in it
	}
	v, ok := object[r.key]
	if !ok {
		return "", cannot("retrieved secret from Secrets Manager did not contain json key %s (secret %s)", r.key, r.secret)
	}
	return fmt.Sprintf("%v", v), nil
}
