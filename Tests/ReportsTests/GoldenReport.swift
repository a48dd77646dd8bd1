/// The report of `Synthetic.runs`, checked by eye.
let goldenReport = """
  """
