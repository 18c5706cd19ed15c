package scan

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// PutImageScanningConfiguration says whether images of a repository are scanned when they are pushed.
func (a *API) PutImageScanningConfiguration(ctx context.Context, in *sdk.PutImageScanningConfigurationInput) (*sdk.PutImageScanningConfigurationOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	scan := in.ImageScanningConfiguration.ScanOnPush
	_, err := a.records.Change(ctx, *in.RepositoryName, func(repo *record.Repository) error {
		repo.ScanOnPush = scan
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.PutImageScanningConfigurationOutput{
		ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: scan},
		RegistryId:                 &a.records.NS.Account,
		RepositoryName:             in.RepositoryName,
	}, nil
}

// registryFaults is what is wrong with a registry's configuration: what it asks of Amazon Inspector, first of all
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_RegistryScanningRule.html).
func registryFaults(in *sdk.PutRegistryScanningConfigurationInput) (f awserr.Faults) {
	if in.ScanType == types.ScanTypeEnhanced {
		f.Add(record.Invalid("The value 'ENHANCED' of 'scanType' is not supported by Skylift, only BASIC: it has no Amazon Inspector."))
	}
	for _, r := range in.Rules {
		if r.ScanFrequency != types.ScanFrequencyScanOnPush {
			f.Add(record.Invalid("Invalid parameter at 'rules.scanFrequency': '%s' is not one of the scan type BASIC, only SCAN_ON_PUSH", r.ScanFrequency))
		}
	}
	return f
}

// PutRegistryScanningConfiguration says in which repositories images are scanned when they are pushed, beside those that want it
// themselves.
func (a *API) PutRegistryScanningConfiguration(ctx context.Context, in *sdk.PutRegistryScanningConfigurationInput) (*sdk.PutRegistryScanningConfigurationOutput, error) {
	if err := registryFaults(in).First(); err != nil {
		return nil, err
	}
	now, err := a.records.ChangeRegistry(ctx, func(r *record.Registry) error {
		r.ScanRules = nil
		for _, rule := range in.Rules {
			filters := []string{}
			for _, f := range rule.RepositoryFilters {
				filters = append(filters, aws.ToString(f.Filter))
			}
			r.ScanRules = append(r.ScanRules, filters)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.PutRegistryScanningConfigurationOutput{RegistryScanningConfiguration: configuration(now)}, nil
}

// configuration is the registry's as the API shows it.
func configuration(r record.Registry) *types.RegistryScanningConfiguration {
	out := &types.RegistryScanningConfiguration{ScanType: types.ScanTypeBasic, Rules: []types.RegistryScanningRule{}}
	for _, filters := range r.ScanRules {
		out.Rules = append(out.Rules, types.RegistryScanningRule{ScanFrequency: types.ScanFrequencyScanOnPush, RepositoryFilters: shown(filters)})
	}
	return out
}

func shown(filters []string) []types.ScanningRepositoryFilter {
	out := []types.ScanningRepositoryFilter{}
	for _, f := range filters {
		out = append(out, types.ScanningRepositoryFilter{Filter: &f, FilterType: types.ScanningRepositoryFilterTypeWildcard})
	}
	return out
}

// GetRegistryScanningConfiguration returns what was put; without that, nothing is scanned when it is pushed.
func (a *API) GetRegistryScanningConfiguration(ctx context.Context, _ *sdk.GetRegistryScanningConfigurationInput) (*sdk.GetRegistryScanningConfigurationOutput, error) {
	r, err := a.records.Registry(ctx)
	if err != nil {
		return nil, err
	}
	return &sdk.GetRegistryScanningConfigurationOutput{RegistryId: &a.records.NS.Account, ScanningConfiguration: configuration(r)}, nil
}

// BatchGetRepositoryScanningConfiguration says when images of repositories are scanned.
func (a *API) BatchGetRepositoryScanningConfiguration(ctx context.Context, in *sdk.BatchGetRepositoryScanningConfigurationInput) (*sdk.BatchGetRepositoryScanningConfigurationOutput, error) {
	return record.View(ctx, a.records, func(tx store.Tx) (*sdk.BatchGetRepositoryScanningConfigurationOutput, error) {
		out := &sdk.BatchGetRepositoryScanningConfigurationOutput{
			ScanningConfigurations: []types.RepositoryScanningConfiguration{}, Failures: []types.RepositoryScanningConfigurationFailure{},
		}
		registry, _, err := handler.Find(tx, record.RegistryRows, record.RegistryKey)
		if err != nil {
			return nil, err
		}
		for _, name := range in.RepositoryNames {
			repo, ok, err := handler.Find(tx, record.RepositoryRows, name)
			if err != nil {
				return nil, err
			}
			if !ok {
				out.Failures = append(out.Failures, types.RepositoryScanningConfigurationFailure{
					RepositoryName: &name, FailureCode: types.ScanningConfigurationFailureCodeRepositoryNotFound,
					FailureReason: new(fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, a.records.NS.Account)),
				})
				continue
			}
			onPush, filters := repo.ScansOnPush(registry)
			frequency := types.ScanFrequencyManual
			if onPush {
				frequency = types.ScanFrequencyScanOnPush
			}
			out.ScanningConfigurations = append(out.ScanningConfigurations, types.RepositoryScanningConfiguration{
				RepositoryArn: new(a.records.ARN(name)), RepositoryName: &name, ScanOnPush: onPush, ScanFrequency: frequency, AppliedScanFilters: shown(filters),
			})
		}
		return out, nil
	})
}
