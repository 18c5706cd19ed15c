package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/skylift/skylift/internal/wire/onepiece"
)

type userCmd struct {
	Add userAddCmd `cmd:"" help:"Make a user and print an access key for it, as skylift env does."`
}

type userAddCmd struct {
	dataDir
	Name    string   `arg:"" help:"The user's name."`
	Policy  []string `help:"A managed policy that says what the user may do, by its ARN or its name, as AmazonECS_FullAccess. May be given several times; without one the user may do nothing." placeholder:"POLICY"`
	Profile string   `help:"Write the key to an AWS profile of this name instead." placeholder:"NAME"`
	Output  string   `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

func (u userAddCmd) Run(ctx context.Context, c console) error {
	a, err := accessTo(u.DataDir)
	if err != nil {
		return err
	}
	key, err := u.add(ctx, a)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("Skylift does not answer at %s: start it with skylift serve --data-dir %s", a.Endpoint, u.DataDir) //nolint:staticcheck // a name
	}
	if err != nil {
		return fmt.Errorf("make user %s: %w", u.Name, err)
	}
	return key.show(c, u.Profile, u.Output)
}

// add makes the user. What can't be found is said before anything is made.
func (u userAddCmd) add(ctx context.Context, a access) (access, error) {
	api := iam.New(iam.Options{
		Region: a.Region, BaseEndpoint: &a.Endpoint, RetryMaxAttempts: 1, HTTPClient: onepiece.Client(http.DefaultTransport),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}, nil
		}),
	})
	arns, err := policyARNs(ctx, api, u.Policy)
	if err != nil {
		return a, err
	}
	if _, err := api.CreateUser(ctx, &iam.CreateUserInput{UserName: &u.Name}); err != nil {
		return a, err
	}
	for _, arn := range arns {
		if _, err := api.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &u.Name, PolicyArn: &arn}); err != nil {
			return a, fmt.Errorf("it is there, but: attach %s: %w", arn, err)
		}
	}
	out, err := api.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &u.Name})
	if err != nil {
		return a, fmt.Errorf("it is there, but: make an access key: %w", err)
	}
	a.AccessKeyID, a.SecretAccessKey = *out.AccessKey.AccessKeyId, *out.AccessKey.SecretAccessKey
	return a, nil
}

// policyARNs finds policies that are named, the account's own before AWS's.
func policyARNs(ctx context.Context, api *iam.Client, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	found := map[string]string{}
	for pages := iam.NewListPoliciesPaginator(api, &iam.ListPoliciesInput{MaxItems: aws.Int32(1000)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Policies {
			if has := found[*p.PolicyName]; has == "" || strings.HasPrefix(has, "arn:aws:iam::aws:") {
				found[*p.PolicyName] = *p.Arn
			}
			found[*p.Arn] = *p.Arn
		}
	}
	var arns []string
	for _, name := range names {
		if found[name] == "" {
			return nil, fmt.Errorf("there is no managed policy %s: see aws iam list-policies", name)
		}
		arns = append(arns, found[name])
	}
	return arns, nil
}
