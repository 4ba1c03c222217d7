/**
 * The schemas against the SDK's own types. Most of it is done by the compiler: a field that the SDK gains, loses or renames makes this file
 * fail to type-check.
 */
import * as sdk from '@aws-sdk/client-ecs';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import type { TaskOverride } from '#model/task.ts';
import type { NetworkConfiguration, PlacementConstraint, PlacementStrategy } from '#model/placement.ts';
import type { Tag } from '#model/tag.ts';
import { errorKinds } from '#protocol/ecs/errors.ts';
import {
  type InputOf,
  type OperationName,
  operationNames,
  unsupportedOperationNames,
} from '#protocol/ecs/operations.ts';

type SdkInput<Name extends OperationName> = Parameters<sdk.ECS[Uncapitalize<Name>]>[0];

/** Free-form JSON; compared by name only, because its type has no end. */
interface Document {
  readonly document: true;
}

/** All members, at any depth, required and defined; unions the SDK keeps open for members of tomorrow are closed. */
type Fields<T> = T extends string | number | boolean
  ? T
  : T extends Date
    ? number
    : T extends readonly (infer Item)[]
      ? Fields<Item>[]
      : T extends { $unknown: [string, unknown] }
        ? never
        : {
            [Key in keyof T as Key extends '$unknown' ? never : Key]-?: Key extends 'hookDetails'
              ? Document
              : Fields<Exclude<T[Key], undefined>>;
          };

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** The names of the operations whose schema lacks a field of the SDK, or has one too many, or one of another type. */
type Differing = {
  [Name in OperationName]: Same<Fields<InputOf<Name>>, Fields<SdkInput<Name>>> extends true ? never : Name;
}[OperationName];

/** The names of the operations that accept what the SDK could not send. */
type Unsendable = {
  [Name in OperationName]: InputOf<Name> extends SdkInput<Name> ? never : Name;
}[OperationName];

describe('the request schemas', () => {
  it("have exactly the fields of the SDK's inputs", () => {
    // Of the statuses that UpdateContainerInstancesState's type has, the operation takes two.
    expectTypeOf<Differing>().toEqualTypeOf<'UpdateContainerInstancesState'>();
    // The SDK takes dates and sends seconds.
    expectTypeOf<Unsendable>().toEqualTypeOf<'ListServiceDeployments'>();
  });

  it('give what the model takes', () => {
    expectTypeOf<Omit<InputOf<'RegisterTaskDefinition'>, 'tags'>>().toExtend<TaskDefinitionBody>();
    expectTypeOf<NonNullable<InputOf<'RunTask'>['overrides']>>().toExtend<TaskOverride>();
    expectTypeOf<NonNullable<InputOf<'RunTask'>['networkConfiguration']>>().toExtend<NetworkConfiguration>();
    expectTypeOf<NonNullable<InputOf<'RunTask'>['placementConstraints']>>().toExtend<PlacementConstraint[]>();
    expectTypeOf<NonNullable<InputOf<'RunTask'>['placementStrategy']>>().toExtend<PlacementStrategy[]>();
    expectTypeOf<InputOf<'TagResource'>['tags']>().toExtend<Tag[]>();
  });
});

describe('the model', () => {
  it("has every field of the SDK's task definition", () => {
    expectTypeOf<keyof TaskDefinitionBody>().toEqualTypeOf<keyof Omit<sdk.RegisterTaskDefinitionRequest, 'tags'>>();
    expectTypeOf<keyof TaskDefinitionBody['containerDefinitions'][number]>().toEqualTypeOf<
      keyof sdk.ContainerDefinition
    >();
  });
});

describe('the operations', () => {
  it('are those of the SDK, each either served or known to be missing', () => {
    const ofSdk = Object.keys(sdk)
      .filter((name) => /^[A-Z]\w+Command$/.test(name))
      .map((name) => name.slice(0, -'Command'.length));
    expect([...operationNames, ...unsupportedOperationNames].toSorted()).toEqual(ofSdk.toSorted());
  });
});

describe('the errors', () => {
  it('include all that the SDK knows', () => {
    const ofSdk = Object.keys(sdk).filter((name) => name.endsWith('Exception') && name !== 'ECSServiceException');
    expect(Object.keys(errorKinds)).toEqual(expect.arrayContaining(ofSdk));
  });
});
