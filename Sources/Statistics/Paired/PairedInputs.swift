/// Candidate − baseline item by item.
func pairedDifferences(
  _ candidate: [Double], _ baseline: [Double]
) throws(StatisticsError) -> [Double] {
  try requireSameLength(("candidate values", candidate.count), ("baseline values", baseline.count))
  try requireSample(candidate, "candidate values", atLeast: 2)
  try requireSample(baseline, "baseline values", atLeast: 2)
  return zip(candidate, baseline).map { $0 - $1 }
}

/// Throws unless there is one finite positive weight per finite value.
func requireWeights(_ weights: [Double], for values: [Double]) throws(StatisticsError) {
  try requireSameLength(("values", values.count), ("weights", weights.count))
  try requireSample(values, "values", atLeast: 2)
  try requireSample(weights, "weights", atLeast: 2)
  for weight in weights { try requirePositive(weight, "A weight") }
}

/// The given clusters, or every item on its own; throws unless there are two that cover the items.
func checkedClusters(
  _ clusters: Clusters?, itemCount: Int
) throws(StatisticsError) -> Clusters {
  let groups = clusters ?? Clusters(singletons: itemCount)
  try requireSameLength(("values", itemCount), ("cluster names", groups.membership.count))
  try requireCount(groups.count, "clusters", atLeast: 2)
  return groups
}
