def test_x(spark):
    assert spark.range(3).count() == 3
