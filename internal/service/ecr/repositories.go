package ecr

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// CreateRepository makes an empty repository.
func (a *API) CreateRepository(ctx context.Context, in *ecr.CreateRepositoryInput) (*ecr.CreateRepositoryOutput, error) {
	if err := record.CheckName("repositoryName", aws.ToString(in.RepositoryName)); err != nil {
		return nil, err
	}
	if err := a.newRepositoryFaults(in).First(); err != nil {
		return nil, err
	}
	repo := record.New(*in.RepositoryName)
	repo.ScanOnPush = in.ImageScanningConfiguration != nil && in.ImageScanningConfiguration.ScanOnPush
	repo.SetMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	if err := repo.Tag(in.Tags); err != nil {
		return nil, err
	}
	if err := a.records.Create(ctx, repo); err != nil {
		return nil, err
	}
	return &ecr.CreateRepositoryOutput{Repository: new(a.wire(repo))}, nil
}

// newRepositoryFaults is what is wrong with a request for a new repository, apart from its name, whatever repositories exist.
func (a *API) newRepositoryFaults(in *ecr.CreateRepositoryInput) (f awserr.Faults) {
	f.Add(a.records.OwnRegistry("registryId", in.RegistryId))
	f.Add(record.MutabilityFaults(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)...)
	if e := in.EncryptionConfiguration; e != nil {
		f.Add(record.CheckEncryption(e.EncryptionType))
	}
	f.Add(record.TagRules.Faults(record.TagType.From(in.Tags))...)
	return f
}

// wire is the repository as the API shows it.
func (a *API) wire(repo record.Repository) types.Repository {
	r := a.records
	return types.Repository{
		CreatedAt:                          &repo.CreatedAt,
		EncryptionConfiguration:            &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256},
		ImageScanningConfiguration:         &types.ImageScanningConfiguration{ScanOnPush: repo.ScanOnPush},
		ImageTagMutability:                 repo.Mutability,
		ImageTagMutabilityExclusionFilters: repo.Filters(),
		RegistryId:                         &r.NS.Account,
		RepositoryArn:                      new(r.ARN(repo.Name)),
		RepositoryName:                     &repo.Name,
		RepositoryUri:                      new(r.URI(repo.Name)),
	}
}

// DescribeRepositories describes those named, or all, page by page.
func (a *API) DescribeRepositories(ctx context.Context, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	if len(in.RepositoryNames) > 0 {
		return a.describeNamed(ctx, in)
	}
	if err := a.records.OwnRegistry("registryId", in.RegistryId); err != nil {
		return nil, err
	}
	page, err := record.Pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return record.View(ctx, a.records, func(tx store.Tx) (*ecr.DescribeRepositoriesOutput, error) {
		part, next, err := handler.Fill(page, record.RepositoryRows.Scan(tx, "", page.After), func(r record.Repository) string { return r.Name })
		if err != nil {
			return nil, fmt.Errorf("list repositories: %w", err)
		}
		out := &ecr.DescribeRepositoriesOutput{Repositories: []types.Repository{}, NextToken: next}
		for _, repo := range part {
			out.Repositories = append(out.Repositories, a.wire(repo))
		}
		return out, nil
	})
}

func (a *API) describeNamed(ctx context.Context, in *ecr.DescribeRepositoriesInput) (*ecr.DescribeRepositoriesOutput, error) {
	if in.MaxResults != nil || in.NextToken != nil {
		return nil, record.Invalid("Invalid request parameters: maxResults and nextToken cannot be used with repositoryNames")
	}
	for _, name := range in.RepositoryNames {
		if err := a.records.Check(in.RegistryId, &name); err != nil {
			return nil, err
		}
	}
	return record.View(ctx, a.records, func(tx store.Tx) (*ecr.DescribeRepositoriesOutput, error) {
		out := &ecr.DescribeRepositoriesOutput{}
		for _, name := range in.RepositoryNames {
			repo, err := a.records.Get(tx, name)
			if err != nil {
				return nil, err
			}
			out.Repositories = append(out.Repositories, a.wire(repo))
		}
		return out, nil
	})
}

// DeleteRepository removes a repository. Force removes also one that has images:
// their records go after it, and the registry reclaims their bytes.
func (a *API) DeleteRepository(ctx context.Context, in *ecr.DeleteRepositoryInput) (*ecr.DeleteRepositoryOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	repo, err := record.Update(ctx, a.records, func(tx store.Tx) (record.Repository, error) {
		repo, err := a.records.Get(tx, *in.RepositoryName)
		if err == nil && !in.Force {
			err = a.empty(tx, repo)
		}
		if err != nil {
			return repo, err
		}
		return repo, record.RepositoryRows.Delete(tx, repo.Name)
	})
	if err != nil {
		return nil, err
	}
	if err := a.records.SweepRepository(ctx, repo.ID); err != nil {
		return nil, err
	}
	return &ecr.DeleteRepositoryOutput{Repository: new(a.wire(repo))}, nil
}

func (a *API) empty(tx store.Tx, repo record.Repository) error {
	for _, err := range record.ImageRows.Scan(tx, record.ImageKey(repo.ID, ""), "") {
		if err != nil {
			return fmt.Errorf("list images of %s: %w", repo.Name, err)
		}
		return &types.RepositoryNotEmptyException{Message: new(fmt.Sprintf("The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", repo.Name, a.records.NS.Account))}
	}
	return nil
}

// PutImageTagMutability changes whether tags may move.
func (a *API) PutImageTagMutability(ctx context.Context, in *ecr.PutImageTagMutabilityInput) (*ecr.PutImageTagMutabilityOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if err := record.MutabilityFaults(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters).First(); err != nil {
		return nil, err
	}
	now, err := a.records.Change(ctx, *in.RepositoryName, func(repo *record.Repository) error {
		repo.SetMutability(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ecr.PutImageTagMutabilityOutput{
		ImageTagMutability:                 now.Mutability,
		ImageTagMutabilityExclusionFilters: now.Filters(),
		RegistryId:                         &a.records.NS.Account,
		RepositoryName:                     in.RepositoryName,
	}, nil
}
